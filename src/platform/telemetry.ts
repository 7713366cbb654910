// Turns onnxruntime's telemetry off: it would send the machine's type and the duration of each session, and store both.
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { SurgeryError } from './errors.ts';

/** Read by the native library, once, from the process's own environment: a thread's `process.env` is a copy of that. */
const variable = 'ORT_DISABLE_TELEMETRY';

/** Set for the threads that are started from now on: their copy could say so without the process's environment. */
const mark = 'surgery: telemetry is off';

process.env[variable] = '1';
if (isMainThread) setEnvironmentData(mark, true);

/**
 * Turns it off for the whole process, whatever the environment says. A thread has the main thread do it, through the
 * inspector, which is heard even while the main thread waits.
 * @throws SurgeryError `usage` where a thread cannot do that and the main thread has not done it
 */
export async function turnTelemetryOff(): Promise<void> {
  process.env[variable] = '1';
  if (isMainThread || getEnvironmentData(mark) === true) return;
  try {
    await inMainThread(`process.env.${variable} = '1'`, '1');
  } catch (cause) {
    throw new SurgeryError(
      'usage',
      "onnxruntime's telemetry cannot be turned off from this thread: import surgery in the main thread before the thread is started",
      cause,
    );
  }
  setEnvironmentData(mark, true);
}

async function inMainThread(expression: string, expected: string): Promise<void> {
  const { Session } = await import('node:inspector'); // a Node can be built without it
  const session = new Session();
  const alive = setInterval(() => {}, 1000); // a session does not keep a thread: it would end before the answer
  try {
    session.connectToMainThread();
    await new Promise<void>((resolve, reject) => {
      session.post('Runtime.evaluate', { expression }, (error, answer) => {
        if (!error && answer.result.value === expected) resolve();
        else reject(error ?? new Error(answer.exceptionDetails?.text ?? 'the main thread gives another answer'));
      });
    });
  } finally {
    clearInterval(alive);
    session.disconnect();
  }
}
