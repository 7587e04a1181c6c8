// node count.mjs REPORT.json EXIT_CODE FAILURES: prints `passed failed` of a Vitest run and adds a paragraph for each failure to the file FAILURES.
// A skipped test, no test at all, no report, and a run that failed without a failed test each count as a failure.
import { appendFileSync, readFileSync } from 'node:fs';

const MESSAGE_LINES = 12;

const [file, exitCode, failures] = process.argv.slice(2);
const tell = (name, message = '') =>
  appendFileSync(failures, `✗ ${name}\n${message.split('\n').slice(0, MESSAGE_LINES).join('\n')}\n`);

const report = JSON.parse(readFileSync(file, 'utf8'));
for (const suite of report.testResults) {
  const failed = suite.assertionResults.filter((test) => test.status !== 'passed');
  for (const test of failed)
    tell(`${suite.name} > ${test.fullName} (${test.status})`, test.failureMessages?.join('\n'));
  if (suite.status === 'failed' && failed.length === 0) tell(suite.name, suite.message);
}
const passed = report.numPassedTests;
const failed = report.numFailedTests + report.numPendingTests + report.numTodoTests;
const silent = failed === 0 && (exitCode !== '0' || passed === 0);
if (silent) tell(`no failed test, but exit code ${exitCode} and ${passed} passed`);
console.log(passed, failed + (silent ? 1 : 0));
