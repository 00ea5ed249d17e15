// A tiny made-up city for tests of the viewer alone: 2 counties × 2 townships × 2 communities × 6 grids on a bent lattice, with
// facilities, teams and cases. Everything follows from the seed.

export const LEVELS = ['province', 'city', 'county', 'township', 'community', 'grid'];
const WEST = 122.08, SOUTH = 30.0, STEP = 0.006;
const ROWS = 6, COLUMNS = 8;
const GROUPS = [
  { id: 'camera', name: '监控', name_en: 'Cameras', icon: 'camera', categories: ['01050'] },
  { id: 'lighting', name: '照明', name_en: 'Lighting', icon: 'lamp', categories: ['01037', '01038', '01039'] },
  { id: 'manhole', name: '井盖', name_en: 'Manhole covers', icon: 'manhole', categories: ['01001', '01002', '01003', '01023'] },
  { id: 'hydrant', name: '消防栓', name_en: 'Hydrants', icon: 'hydrant', categories: ['01013'] },
];
const COMPONENTS = [
  ['01050', '监控电子眼', 'camera'], ['01037', '路灯', 'lamp'], ['01002', '污水井盖', 'manhole'], ['01003', '雨水井盖', 'manhole'],
  ['01013', '消防设施', 'hydrant'], ['01004', '雨水箅子', 'grate'], ['04002', '行道树', 'tree'], ['03005', '垃圾箱', 'bin'],
];
const MATTERS = [['06010', '暴露垃圾'], ['06013', '道路破损'], ['09006', '占道经营'], ['07001', '非法小广告'], ['09012', '占用消防通道']];
const STATES = ['reported', 'filed', 'dispatched', 'handling', 'handling', 'checking', 'suspended'];
const NAMES = ['陈海', '林岳', '王舟', '张帆', '李岛', '周港', '吴岑', '郑屿'];

/** mulberry32 */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const pad = (n, length) => String(n).padStart(length, '0');
const round = (degrees) => Math.round(degrees * 1e7) / 1e7;

export function city({ seed = 7, now = Date.now() } = {}) {
  const next = random(seed);
  const corner = [];
  for (let row = 0; row <= ROWS; row++) {
    corner.push(Array.from({ length: COLUMNS + 1 }, (_, column) => [
      round(WEST + (column + (next() - 0.5) * 0.5) * STEP), round(SOUTH + (row + (next() - 0.5) * 0.5) * STEP),
    ]));
  }
  // A border between two corners is bent once; both sides use the same point.
  const bends = new Map();
  const bend = (a, b) => {
    const key = [a, b].map(String).sort().join(' ');
    if (!bends.has(key)) bends.set(key, [round((a[0] + b[0]) / 2 + (next() - 0.5) * 0.001), round((a[1] + b[1]) / 2 + (next() - 0.5) * 0.001)]);
    return bends.get(key);
  };

  const regions = new Map([['3309', { code: '3309', level: 'city', name: '样例市', parent: null }]]);
  const grids = [];
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      const county = `3309${pad(2 + Math.floor(column / 4), 2)}`;
      const township = county + pad(1 + Math.floor((column % 4) / 2), 3);
      const community = township + pad(1 + Math.floor(row / 3), 3);
      const number = (row % 3) * 2 + (column % 2) + 1;
      const letter = (code) => '东西南北'[Number(code.at(-1)) % 4];
      if (!regions.has(county)) regions.set(county, { code: county, level: 'county', name: `${letter(county)}城区`, parent: '3309' });
      if (!regions.has(township)) regions.set(township, { code: township, level: 'township', name: `${letter(county)}城${letter(township)}街道`, parent: county });
      if (!regions.has(community)) regions.set(community, { code: community, level: 'community', name: `${letter(township)}${letter(community)}社区`, parent: township });
      const at = [corner[row][column], corner[row][column + 1], corner[row + 1][column + 1], corner[row + 1][column]];
      const ring = at.flatMap((point, n) => [point, bend(point, at[(n + 1) % 4])]);
      grids.push({
        code: community + pad(number, 3), name: `${letter(township)}${letter(community)}第${number}网格`, kind: 'base', parent: community,
        households: 100 + Math.floor(next() * 80), population: 260 + Math.floor(next() * 200), ring: [...ring, ring[0]],
      });
    }
  }
  grids.sort((a, b) => (a.code < b.code ? -1 : 1));

  const facilities = [], cases = [], staff = [];
  const inside = (grid) => {
    const [x, y] = centre(grid.ring);
    return [round(x + (next() - 0.5) * STEP * 0.55), round(y + (next() - 0.5) * STEP * 0.55)];
  };
  for (const [n, grid] of grids.entries()) {
    for (let k = 0; k < 24 + n % 9; k++) {
      const [category, name] = COMPONENTS[Math.floor(next() * COMPONENTS.length)];
      const id = facilities.length + 1;
      facilities.push({ id, code: grid.code.slice(0, 6) + category + pad(id, 6), category, name, state: next() < 0.04 ? 'damaged' : 'intact', position: inside(grid), grid: grid.code });
    }
    for (let k = n % 11 === 3 ? 0 : Math.floor(next() * 4); k > 0; k--) {
      const overdue = next() < 0.08;
      const left = overdue ? -next() * 3e6 : 6e5 + next() * 2e8;
      cases.push({
        id: cases.length + 1, category: MATTERS[Math.floor(next() * MATTERS.length)][0], state: overdue ? 'handling' : STATES[Math.floor(next() * STATES.length)], overdue,
        due_at: new Date(now + left).toISOString(), reported_at: new Date(now - next() ** 3 * 4e8).toISOString(), urgent: next() < 0.05,
        position: next() < 0.9 ? inside(grid) : null, grid: grid.code, grid_name: grid.name, text: '',
      });
    }
    if (n % 13 !== 5) {
      const person = (role) => ({ id: `s${staff.length + 1}`, name: NAMES[staff.length % NAMES.length], role, phone: '139****' + pad(staff.length, 4), assigned: grid.code });
      for (const role of ['grid_leader', 'grid_officer', 'grid_officer', 'building_leader', 'medic']) staff.push(person(role));
    }
  }
  return { regions, grids, facilities, cases, staff, groups: GROUPS, components: COMPONENTS, matters: MATTERS };
}

export function centre(ring) {
  const points = ring.slice(0, -1);
  return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
}

export function bboxOf(points) {
  const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** The outer border of cells that share edges: edges that occur once, chained. */
export function union(rings) {
  const edges = new Map();
  for (const ring of rings) {
    for (let n = 0; n + 1 < ring.length; n++) {
      const back = `${ring[n + 1]} ${ring[n]}`;
      if (!edges.delete(back)) edges.set(`${ring[n]} ${ring[n + 1]}`, [ring[n], ring[n + 1]]);
    }
  }
  const from = new Map([...edges.values()].map(([a, b]) => [String(a), b]));
  const polygons = [];
  while (from.size > 0) {
    const first = from.keys().next().value;
    const ring = [first.split(',').map(Number)];
    for (let at = first; from.has(at);) {
      const point = from.get(at);
      from.delete(at);
      ring.push(point);
      at = String(point);
    }
    polygons.push([ring]);
  }
  return polygons;
}

export function holds(ring, [x, y]) {
  let odd = false;
  for (let n = 0; n + 1 < ring.length; n++) {
    const [x1, y1] = ring[n], [x2, y2] = ring[n + 1];
    if ((y1 > y) !== (y2 > y) && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
  }
  return odd;
}
