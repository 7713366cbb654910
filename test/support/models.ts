// Random models made on the spot, for what the fixtures are too small for.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LlamaConfig, parseConfig } from '../../src/checkpoint/config.ts';
import { expectedTensors } from '../../src/checkpoint/names.ts';
import { seededRandom } from '../../src/linalg/random.ts';
import { fixture } from './paths.ts';
import { copyModel, fileBytes, merge } from './safetensors.ts';

/** The config of the F32 fixture with some sizes changed. */
export function configWith(sizes: Readonly<Record<string, number | boolean>>): LlamaConfig {
  return parseConfig(merge(sizes)(Buffer.from(readConfig())), 'config.json');
}

/** A model of the F32 fixture's kind with some sizes changed; matrices that nothing looks at may stay zero. */
export function makeModel(
  folder: string,
  sizes: Readonly<Record<string, number | boolean>>,
  fill: (name: string) => boolean = () => true,
): string {
  const config = { attention_bias: false, mlp_bias: false, ...sizes };
  copyModel(fixture('mqa-bias-f32'), folder, { 'config.json': merge(config) });
  const random = seededRandom(1);
  const table: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { name, shape } of expectedTensors(configWith(config))) {
    const values = new Float32Array(shape.reduce((product, n) => product * n, 1));
    const columns = shape.at(-1) ?? 1;
    if (shape.length === 1) values.fill(1);
    else if (fill(name))
      for (let i = 0; i < values.length; i++) values[i] = (random() - 0.5) / (1 + ((i % columns) % 16));
    parts.push(new Uint8Array(values.buffer));
    table[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.safetensors'), fileBytes(JSON.stringify(table), Buffer.concat(parts)));
  return folder;
}

function readConfig(): string {
  return readFileSync(join(fixture('mqa-bias-f32'), 'config.json'), 'utf8');
}
