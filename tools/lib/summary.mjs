// Counting what passed and failed.

/**
 * The counts of one suite. A process that ended badly without a failed test, or without having counted at all, is a
 * failure too: a crash must not look like success.
 */
export function suiteOutcome(code, counts) {
  if (counts === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const isEmpty = counts.passed + counts.failed + counts.skipped === 0;
  const crashed = counts.failed === 0 && (code !== 0 || isEmpty);
  return crashed ? { ...counts, failed: 1 } : counts;
}

/** The sum of several counts. */
export function addCounts(all) {
  return all.reduce((sum, { passed, failed }) => ({ passed: sum.passed + passed, failed: sum.failed + failed }), {
    passed: 0,
    failed: 0,
  });
}

/** The last line of every run of tests or checks. */
export const summaryLine = ({ passed, failed }) => `${passed} passed, ${failed} failed`;
