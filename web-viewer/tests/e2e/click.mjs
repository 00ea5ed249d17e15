// A person clicks a grid: its facilities are on the map, and facilities, team and open cases in the card with the numbers that are
// counted here anew from all facilities of the city. BASE_URL=http://… npm run e2e; without BASE_URL against the mock.
import assert from 'node:assert/strict';
import { settled, withBrowser } from './browser.mjs';

const PAGE = 10_000;

await withBrowser(async ({ base, open }) => {
  const read = async (path) => {
    const response = await fetch(base + path);
    assert.equal(response.status, 200, `${path}: ${response.status}`);
    return response.json();
  };
  const all = async (path) => {
    const items = [];
    for (let next = path; next;) {
      const page = await read(next);
      items.push(...page.items);
      next = page.next && new URL(page.next, base).pathname + new URL(page.next, base).search;
    }
    return items;
  };
  const meta = await read('/api/v1/meta');
  const target = process.env.GRID ?? (await busiest(meta, read));
  const outline = await read(`/api/v1/grids/${target}/outline`);
  // The twin of the server's answer: which facilities and cases lie in the outline, by brute force over a box around it.
  const parts = outline.geometry.type === 'Polygon' ? [outline.geometry.coordinates] : outline.geometry.coordinates;
  const told = await all(`/api/v1/grids/${target}/facilities?limit=${PAGE}`);
  for (const facility of told) assert(parts.some((rings) => holds(rings, facility.position)), `facility ${facility.id} lies outside grid ${target}`);
  const expected = Object.fromEntries(meta.default_facility_groups.map(({ id, categories }) => [id, told.filter((f) => categories.includes(f.category)).length]));
  const icons = Object.values(expected).reduce((a, b) => a + b, 0);
  const card = await read(`/api/v1/grids/${target}`);
  assert(icons > 0, `grid ${target} has facilities to show`);
  assert.equal(card.facilities.total, told.length);

  // By clicking: from the city down, one level a click, to the grid.
  const page = await open(1920, 1080);
  const click = async (points) => {
    // Of the points given the first one on the screen that no mark covers.
    const at = await page.evaluate((candidates) => {
      const { map } = window.wangge;
      const box = map.getContainer().getBoundingClientRect(), scale = box.width / map.getContainer().offsetWidth;
      for (const position of candidates) {
        const { x, y } = map.project(position);
        const [left, top] = [box.left + x * scale, box.top + y * scale];
        const near = map.queryRenderedFeatures([[x - 4, y - 4], [x + 4, y + 4]], { layers: ['cases', 'cases-ordinary', 'selected-cases', 'selected-facilities'] });
        if (near.length === 0 && document.elementFromPoint(left, top) === map.getCanvas()) return { x: left, y: top };
      }
      return null;
    }, points);
    assert(at, `a place to click on the way to ${JSON.stringify(points).slice(0, 200)} from ${page.url()}`);
    const before = page.url();
    await page.mouse.click(at.x, at.y);
    await page.waitForFunction((url) => location.href !== url, before, { timeout: 30_000 });
    await settled(page);
  };
  const steps = [];
  for (const next of [...card.path.slice(1), { code: target }]) {
    if (page.url().includes('grid=')) break;
    const { geometry } = await read(`/api/v1/${next.code === target ? 'grids' : 'regions'}/${next.code}/outline`);
    const near = await page.evaluate(() => window.wangge.map.getZoom() >= 13.5);
    const inside = spots(near ? parts : geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates);
    await click(inside);
    steps.push(new URL(page.url()).search);
  }
  assert.equal(new URL(page.url()).searchParams.get('grid'), target, `clicks led through ${steps.join(' → ')}`);
  console.log(`clicked: ${steps.join(' → ')}`);

  const seen = await page.evaluate(() => {
    const { map } = window.wangge;
    const drawn = map.queryRenderedFeatures({ layers: ['selected-facilities'] });
    const number = (selector) => Number(document.querySelector(selector)?.textContent.replace(/\D/g, ''));
    return {
      icons: new Set(drawn.map((feature) => feature.id)).size,
      groups: Object.fromEntries([...document.querySelectorAll('[data-group]')].map((row) => [row.dataset.group, Number(row.querySelector('.number').textContent.replace(/\D/g, ''))])),
      legend: number('.facility-key tfoot td'),
      facilities: number('.facilities h2'), team: number('.team h2'), cases: number('.open-cases h2'),
      sentence: document.querySelector('.sentence').textContent, crumbs: document.querySelectorAll('.breadcrumb li').length,
      people: document.querySelector('.team').textContent,
    };
  });
  assert.deepEqual(seen.groups, { ...expected, others: told.length - icons }, 'the counts in the card');
  assert.equal(seen.icons, icons, 'icons on the map');
  assert.equal(seen.legend, icons, 'the sum in the legend');
  assert.equal(seen.facilities, told.length, 'all facilities in the card');
  const { leader, officers, members } = card.team;
  assert.equal(seen.team, (leader ? 1 : 0) + officers.length + members.length, 'the team in the card');
  if (leader) assert(seen.people.includes(leader.name), 'the leader is named');
  assert.equal(Number.parseInt(seen.cases, 10), Number(`${card.open_cases.total}${card.open_cases.overdue || ''}`), 'open and overdue cases in the card');
  assert.equal(seen.crumbs, card.path.length + 1);

  // A group that is put away leaves the map; Esc goes one level up and takes the icons along; the browser's back brings them again.
  const first = meta.default_facility_groups.find(({ id }) => expected[id] > 0).id;
  await page.click(`[data-group="${first}"]`);
  await settled(page);
  const left = () => page.evaluate(() => new Set(window.wangge.map.queryRenderedFeatures({ layers: ['selected-facilities'] }).map((feature) => feature.id)).size);
  assert.equal(await left(), icons - expected[first], 'icons without one group');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => location.search.includes('region='));
  await settled(page);
  assert.equal(await left(), 0, 'icons after leaving the grid');
  await page.goBack();
  await page.waitForFunction(() => location.search.includes('grid='));
  await settled(page);
  assert.equal(await left(), icons, 'icons after coming back');

  // Search by code with the keyboard alone.
  await page.keyboard.press('/');
  await page.keyboard.type(card.path.at(-1).code);
  await page.waitForSelector('#hits [role=option]');
  await page.keyboard.press('Enter');
  await page.waitForFunction((code) => location.search.includes(`region=${code}`), card.path.at(-1).code);

  // An address alone shows the same.
  const linked = await open(1366, 768, `?grid=${target}&lang=en`);
  assert.equal(await linked.evaluate(() => new Set(window.wangge.map.queryRenderedFeatures({ layers: ['selected-facilities'] }).map((feature) => feature.id)).size), icons, 'icons by address');
  assert.match(await linked.textContent('.sentence'), /Open/);
  console.log(`grid ${target}: ${icons} icons ${JSON.stringify(expected)}, ${told.length} facilities, ${seen.team} in the team, ${card.open_cases.total} open cases`);
});

/** The grid with most facilities of the default groups among the grids of the most pressing cases. */
async function busiest(meta, read) {
  const { items } = await read('/api/v1/cases?limit=20');
  const grids = [...new Set(items.map((item) => item.grid).filter(Boolean))];
  const cards = await Promise.all(grids.map((code) => read(`/api/v1/grids/${code}`)));
  const shown = new Set(meta.default_facility_groups.flatMap((group) => group.categories));
  const count = (card) => card.facilities.by_category.filter((of) => shown.has(of.category)).reduce((sum, of) => sum + of.count, 0);
  return cards.sort((a, b) => count(b) - count(a))[0].grid.code;
}

/** Points well inside an outline: of a raster over its largest part those whose neighbours are inside too. */
function spots(parts) {
  const [rings] = [...parts].sort((a, b) => b[0].length - a[0].length);
  const xs = rings[0].map((point) => point[0]), ys = rings[0].map((point) => point[1]);
  const [west, south, east, north] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  const [dx, dy] = [(east - west) / 12, (north - south) / 12];
  const found = [];
  for (let row = 1; row < 12; row++) {
    for (let column = 1; column < 12; column++) {
      const at = [west + column * dx, south + row * dy];
      if ([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]].every(([x, y]) => holds(rings, [at[0] + x * dx * 0.8, at[1] + y * dy * 0.8]))) found.push(at);
    }
  }
  return found;
}

/** Even–odd over all rings; a point within 1e-7° of an edge counts as inside, for a border belongs to one of its grids. */
function holds(rings, [x, y]) {
  let odd = false;
  for (const ring of rings) {
    for (let n = 0; n + 1 < ring.length; n++) {
      const [x1, y1] = ring[n], [x2, y2] = ring[n + 1];
      const along = Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2 || 1)));
      if (Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1)) < 1e-7) return true;
      if ((y1 > y) !== (y2 > y) && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
    }
  }
  return odd;
}
