// Which parts of the parsers ran, as the engine counts it.
import { Session } from 'node:inspector';

/** Starts counting. @returns a function that gives what ran since it was last called, as words that can be compared */
export function startCoverage() {
  const session = new Session();
  session.connect();
  const ask = (method, parameters) => {
    let answer;
    session.post(method, parameters, (error, result) => {
      if (error) throw new Error(error.message);
      answer = result; // the engine answers before `post` returns
    });
    return answer;
  };
  ask('Profiler.enable');
  ask('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return () => {
    const features = [];
    for (const { url, scriptId, functions } of ask('Profiler.takePreciseCoverage').result) {
      if (!/\/dist\/(checkpoint|platform\/strict-json)/.test(url)) continue;
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count } of ranges)
          if (count > 0) features.push(`${scriptId}:${startOffset}-${endOffset}`);
    }
    return features;
  };
}
