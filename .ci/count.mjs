// Prints `passed failed` of a Vitest run: node count.mjs REPORT.json EXIT_CODE.
// A skipped test, no test at all, no report, and a run that failed without a failed test each count as a failure.
import { readFileSync } from 'node:fs';

const [file, exitCode] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
const passed = report.numPassedTests;
const failed = report.numFailedTests + report.numPendingTests + report.numTodoTests;
const silent = failed === 0 && (exitCode !== '0' || passed === 0);
console.log(passed, failed + (silent ? 1 : 0));
