import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placesOf, rowBatches } from '../../../src/runtime/walk/batches.ts';

const lengths = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 30 });
const most = fc.integer({ min: 1, max: 25 });

test('tokens keep their order, documents are whole unless they are too long, and batches are not too long', () => {
  fc.assert(
    fc.property(lengths, most, (lengths, most) => {
      const batches = rowBatches(lengths, most);
      const tokens = batches.flatMap(({ pieces }) =>
        pieces.flatMap(({ document, from, to }) => Array.from({ length: to - from }, (_, i) => [document, from + i])),
      );
      expect(tokens).toEqual(
        lengths.flatMap((length, document) => Array.from({ length }, (_, token) => [document, token])),
      );
      let row = 0;
      for (const { pieces, start, rows } of batches) {
        expect(start).toBe(row);
        row += rows;
        expect(rows).toBeLessThanOrEqual(most);
        if (pieces.length > 1)
          for (const { document, from, to } of pieces) expect([from, to]).toEqual([0, lengths[document]]);
      }
      expect(row).toBe(tokens.length);
    }),
  );
});

test('places lead from rows to positions and back', () => {
  fc.assert(
    fc.property(lengths, most, (lengths, most) => {
      for (const batch of rowBatches(lengths, most)) {
        const { tokens, rowOf, placeOf, positions } = placesOf(batch);
        const back = [...placeOf].map((place) => Number(rowOf[Number(place)]));
        expect(back).toEqual(Array.from({ length: batch.rows }, (_, row) => row));
        const own = [...placeOf].map((place) => Number(positions[Number(place)]));
        expect(own).toEqual(
          batch.pieces.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i)),
        );
        expect(rowOf).toHaveLength(tokens * batch.pieces.length);
      }
    }),
  );
});
