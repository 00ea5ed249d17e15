import { effect } from '@preact/signals';
import { expect, test } from 'vitest';
import { Problem } from '../../src/api';
import { loadTogether, Resource } from '../../src/resource';

const live = () => new AbortController().signal;
const refused = (code: string) => Promise.reject(new Problem(code, 404, code));

test('what belongs together is shown at the same moment', async () => {
  const [a, b, c] = [new Resource<number>(), new Resource<number>(), new Resource<number>()];
  const seen: unknown[] = [];
  effect(() => { seen.push([a.data, b.data, c.data]); });
  await loadTogether([[a, Promise.resolve(1)], [b, new Promise<number>((resolve) => { setTimeout(() => resolve(2), 5); })], [c, Promise.resolve(3)]], live());
  expect(seen).toEqual([[null, null, null], [1, 2, 3]]);
});

test('a failed refresh keeps the old data and says so; the data of another thing are forgotten', async () => {
  const [a, b, c] = [new Resource<number>(), new Resource<number>(), new Resource<number>()];
  await loadTogether([[a, Promise.resolve(1)], [b, Promise.resolve(1)], [c, Promise.resolve(1)]], live());
  await loadTogether([[a, refused('offline')], [b, Promise.resolve(2)], [c, Promise.resolve(2)]], live());
  expect([a.state.value.data, a.state.value.problem, b.data]).toEqual([1, 'offline', 2]);
  await loadTogether([[a, refused('unknown_code')], [b, refused('unknown_code')], [c, Promise.resolve(3)]], live(), { after: Promise.resolve(), arrive: () => undefined });
  expect([a.data, a.state.value.problem, b.data, c.data]).toEqual([null, 'unknown_code', null, 3]);
});

test('an aborted load changes nothing and never arrives', async () => {
  const [a, b, c] = [new Resource<number>(), new Resource<number>(), new Resource<number>()];
  const leaving = new AbortController();
  let arrived = false;
  const loading = loadTogether([[a, Promise.resolve(1)], [b, Promise.resolve(1)], [c, Promise.resolve(1)]], leaving.signal, { after: Promise.resolve(), arrive: () => { arrived = true; } });
  leaving.abort();
  await loading;
  expect([arrived, a.data]).toEqual([false, null]);
});
