// One page, two faces: the map, and at /g/CODE the sheet of one grid, which needs no map library.
import 'virtual:tokens.css';

if (/^\/g\/[^/]+\/?$/.test(location.pathname)) void import('./page/start');
else void import('./main');
