// Access to items that must exist, and to those that are made when first asked for. A wrong index throws, where `?? 0`
// would continue with a wrong figure.

/** @throws RangeError for a place that the list does not have */
export function itemAt<T>(list: ArrayLike<T>, index: number): T {
  const item = list[index];
  if (item === undefined && !(index in list)) throw new RangeError(`no item ${index} in a list of ${list.length}`);
  return item as T;
}

/** @throws RangeError for a key that the map does not have */
export function entryOf<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new RangeError(`no value for ${String(key)}`);
  return value;
}

/** The value of a key that there may not be. */
export function lookUp<K, V>(map: ReadonlyMap<K, V>, key: K | undefined): V | undefined {
  return key === undefined ? undefined : map.get(key);
}

/** The value that the map has for a key; where it has none, one is made and put there. */
export function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
