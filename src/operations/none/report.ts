// The kind `none` has nothing to report.
import { z } from 'zod';
import type { Frozen } from '../../platform/schemas.ts';

export const noneReport = z.object({ kind: z.literal('none') });
export type NoneReport = Frozen<z.infer<typeof noneReport>>;
