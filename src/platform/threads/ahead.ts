// Work one item ahead: what is needed next is made while the caller uses what there is.
import { itemAt } from '../indexing.ts';

/**
 * Each item with what is made of it; the next one's is begun when it is given out.
 * @throws what `make` throws, when it is the item's turn
 */
export async function* ahead<A, B>(
  items: readonly A[],
  make: (item: A) => Promise<B>,
): AsyncGenerator<[A, B], undefined> {
  const begin = (i: number) => {
    if (i >= items.length) return undefined;
    const made = make(itemAt(items, i));
    made.catch(() => {}); // thrown when it is its turn
    return made;
  };
  let next = begin(0);
  for (const [i, item] of items.entries()) {
    const made = await next;
    next = begin(i + 1);
    yield [item, made as B];
  }
}

/** The items of a generator; the next one is begun when one is given out. It comes to its end before this does. */
export async function* oneAhead<T>(items: AsyncGenerator<T, undefined>): AsyncGenerator<T, undefined> {
  const begin = () => {
    const made = items.next();
    made.catch(() => {}); // thrown when it is its turn
    return made;
  };
  let next = begin();
  try {
    for (let item = await next; !item.done; item = await next) {
      next = begin();
      yield item.value;
    }
  } finally {
    await next.catch(() => {});
    await items.return(undefined);
  }
}
