// Access to items that must exist, and to items that are made at the first access. A wrong index throws, where `?? 0`
// would continue with a wrong figure.

/** The item at an index. @throws RangeError for an index outside the list */
export function itemAt<T>(list: ArrayLike<T>, index: number): T {
  const item = list[index];
  if (item === undefined && !(index in list)) throw new RangeError(`no item ${index} in a list of ${list.length}`);
  return item as T;
}

/** The value of a key. @throws RangeError for a key that the map does not have */
export function entryOf<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new RangeError(`no value for ${String(key)}`);
  return value;
}

/** The value of a key; undefined if there is no key, or the map does not have it. */
export function lookUp<K, V>(map: ReadonlyMap<K, V>, key: K | undefined): V | undefined {
  return key === undefined ? undefined : map.get(key);
}

/** The value of a key, which is made and stored if the map has none. */
export function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
