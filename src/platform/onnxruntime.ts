// The native library: the one file that imports it, after its telemetry is off.
import './telemetry.ts';

import { InferenceSession } from 'onnxruntime-node';
import { defaultThreads } from './limits.ts';
import { turnTelemetryOff } from './telemetry.ts';

export { Tensor } from 'onnxruntime-node';
/** Its sessions come from {@link openSession} alone. */
export type Session = InferenceSession;

/** A session of a graph. Without `intraOpNumThreads`, or with 0, onnxruntime takes one thread per core, or what a quota allows. */
export async function openSession(graph: Uint8Array, options: InferenceSession.SessionOptions): Promise<Session> {
  await turnTelemetryOff();
  const intraOpNumThreads = options.intraOpNumThreads || defaultThreads();
  return InferenceSession.create(graph, { ...options, intraOpNumThreads });
}
