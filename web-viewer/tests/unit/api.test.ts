import { afterEach, expect, test, vi } from 'vitest';
import { api, Problem, withQuery } from '../../src/api';

afterEach(() => { vi.unstubAllGlobals(); });

function answers(...given: (() => Response)[]): string[] {
  const asked: string[] = [];
  vi.stubGlobal('location', { href: 'http://wall/' });
  vi.stubGlobal('fetch', async (path: string) => {
    asked.push(path);
    return given[asked.length - 1]!();
  });
  return asked;
}
const json = (body: unknown, status = 200) => () => new Response(JSON.stringify(body), { status });

test('what is absent is not asked for', () => {
  expect(withQuery('/a', { at: null, q: '昌 国', limit: 3 })).toBe('/a?q=%E6%98%8C+%E5%9B%BD&limit=3');
  expect(withQuery('/a', { at: undefined })).toBe('/a');
});

test('a list is read page after page, whatever host the server names', async () => {
  const asked = answers(json({ items: [1], next: 'http://behind:8080/api/v1/cases?limit=1000&cursor=x' }), json({ items: [2], next: null }));
  expect(await api.cases('3309')).toEqual([1, 2]);
  expect(asked).toEqual(['/api/v1/cases?within=3309&limit=1000', '/api/v1/cases?limit=1000&cursor=x']);
});

test('an error says its code; one that is no JSON is told by its status; none is offline', async () => {
  answers(json({ code: 'unknown_code', detail: 'no' }, 404), () => new Response('<html>', { status: 502 }), () => { throw new TypeError('refused'); }, () => new Response('{"half":'));
  const code = () => api.meta().then(() => 'answered', (problem: Problem) => [problem.code, problem.status]);
  expect(await code()).toEqual(['unknown_code', 404]);
  expect(await code()).toEqual(['unknown', 502]);
  expect(await code()).toEqual(['offline', 0]);
  expect(await code()).toEqual(['offline', 0]);
});
