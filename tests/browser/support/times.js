// Times of one kind, and what is told of them.

/** The value that `share` of all do not exceed. */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/** Tells the times, in ms, of a test: on its output and as an attachment. */
export async function report(testInfo, times) {
  const lines = Object.entries(times).map(([name, values]) => ({
    name,
    count: values.length,
    p50_ms: percentile(values, 0.5),
    p99_ms: percentile(values, 0.99),
  }));
  for (const { name, count, p50_ms, p99_ms } of lines) {
    console.log(`  ${name}: ${count} handovers, p50 ${p50_ms} ms, p99 ${p99_ms} ms`);
  }
  const body = JSON.stringify({ lines, times });
  await testInfo.attach("times", { body, contentType: "application/json" });
}
