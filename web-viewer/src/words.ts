// Every word of the viewer in both languages. Names of places, people and categories stay as the data has them.
import { route } from './route';

export const WORDS = {
  synthetic: ['演示数据', 'Synthetic data'],
  open: ['未结', 'Open'], overdue: ['超期', 'Overdue'], soon: ['将超', 'Due soon'], new: ['新', 'New'], handling: ['在办', 'In hand'], suspended: ['挂账', 'Suspended'],
  linked: ['已连接', 'Connected'], unlinked: ['连接中断', 'No connection'], lostOf: ['与服务器的连接中断，画面停在', 'No answer from the server. This is the state of'], lostNow: ['，正在重连。', ', trying again.'],
  lastHour: ['近一小时', 'Last hour'], facilitiesByCategory: ['设施 · 按类别', 'Facilities by category'], toLight: ['浅色', 'Light'], toDark: ['深色', 'Dark'], toPrint: ['印刷', 'Paper'], dataTime: ['数据', 'Data'],
  legendCases: ['未结案件', 'Open cases'], legendFacilities: ['本网格设施', 'Facilities in this grid'], sum: ['合计', 'Total'], urgent: ['其中紧急', 'Urgent'], unlocated: ['未定位', 'No position'],
  items: ['件', ''], pieces: ['个', ''],
  byAge: ['按时长', 'by age'], byCategory: ['未结 · 按类别', 'Open by category'], pressing: ['最需要处理', 'Most pressing'], overview: ['概况', 'At a glance'],
  below: ['下级 · 未结', 'Open by part'], neighbours: ['相邻网格', 'Neighbours'], remainder: ['未归入下级', 'In no part'],
  grids: ['网格', 'Grids'], households: ['户数', 'Households'], population: ['人口', 'Residents'], staff: ['网格人员', 'Staff'], facilities: ['设施', 'Facilities'], area: ['面积', 'Area'],
  team: ['网格团队', 'Team'], noTeam: ['未配备团队', 'No team assigned'],
  more: ['还有', 'More:'], fold: ['收起', 'Fold'],
  noCases: ['无未结案件', 'No open cases'], noFacilities: ['无设施', 'No facilities'], noNeighbours: ['无相邻网格', 'No neighbours'], noParts: ['无下级区域', 'No parts'],
  loading: ['正在读取', 'Loading'], failed: ['读取失败', 'Could not load'], retrying: ['正在重试', 'trying again'], unknownCode: ['没有这个编码', 'No such code'], noCity: ['尚未导入边界数据', 'No boundaries have been imported'], nothingToSee: ['你可看的范围内没有区域', 'Nothing lies in what you may see'],
  search: ['编码、名称、坐标', 'Code, name, position'], searchLabel: ['查找', 'Search'], noHits: ['没有找到', 'Nothing found'],
  otherFacilities: ['其他设施', 'Other facilities'],
  asOf: ['历史边界', 'Boundaries of'], live: ['回到今天', 'Back to today'], superseded: ['已撤销', 'Superseded'], successors: ['现为', 'Now'],
  dueLeft: ['剩', 'left'], dueOver: ['超期', 'over'], duePassed: ['到期已', 'past due'], noDue: ['无时限', 'No deadline'],
  minutes: ['分', 'min'], hours: ['小时', 'h'], days: ['天', 'd'],
  shared: ['共界', 'shared'], beidou: ['北斗网格码', 'BeiDou'], up: ['上一级', 'Up'], breadcrumb: ['所在位置', 'Where this is'],
  tools: ['圈选工具', 'Tools to pick an area'], lasso: ['圈选', 'Lasso'], circle: ['圆选', 'Circle'], corridor: ['沿线', 'Corridor'],
  lassoHint: ['按住并画出范围', 'Press and draw around it'], circleHint: ['按住圆心向外拖', 'Press the centre and drag'], corridorHint: ['逐点单击，双击或回车结束', 'Click along it, double-click or Enter to end'],
  nearest: ['周边', 'Nearest'], nothingNear: ['周边没有设施和案件', 'No facility or case near'], onlyNearest: ['仅列最近', 'Only the nearest'], nothingInside: ['范围内没有设施和案件', 'No facility or case inside'],
  acrossWater: ['隔水', 'across water'], radius: ['半径', 'radius'], width: ['宽', 'width'], close: ['关闭', 'Close'],
  north: ['北', 'N'], northeast: ['东北', 'NE'], east: ['东', 'E'], southeast: ['东南', 'SE'], south: ['南', 'S'], southwest: ['西南', 'SW'], west: ['西', 'W'], northwest: ['西北', 'NW'],
  baseMaps: ['底图', 'Base map'], noBase: ['无底图', 'None'], baseGone: ['底图服务器没有应答，正在重试', 'The base map does not come, trying again'],
  thematic: ['专题图层', 'Thematic layers'], stoodAt: ['数据停在', 'As of'], notRead: ['尚未读到数据', 'Not read yet'], ago: ['前', 'ago'], noProperties: ['没有属性', 'No properties'],
  approval: ['审图号', 'Map approval'],
  layers: ['图层', 'Layers'], putAway: ['已隐藏', 'Hidden:'], border: ['界线', 'border'],
  layer_cases: ['案件', 'Cases'], layer_facilities: ['设施', 'Facilities'], layer_names: ['名称', 'Names'], layer_organizations: ['组织', 'Organizations'], layer_buildings: ['楼栋', 'Buildings'], layer_land_other: ['其他陆地', 'Other land'],
  organizations: ['组织', 'Organizations'], buildings: ['楼栋', 'Buildings'], storeys: ['层', 'storeys'], householdsShort: ['户', 'households'], acrossBorder: ['跨界', 'across a border'],
  householdsCounted: ['网格统计户数', 'Households counted for the grid'], householdsOfBuildings: ['楼栋合计', 'in its buildings'],
  otherGrids: ['其他网格', 'Other grids'], set_police: ['警务网格', 'Police grids'], set_business: ['工商巡查网格', 'Business grids'], set_unit: ['单元网格', 'Unit grids'],
  print: ['打印', 'Print'], contactCard: ['联系卡', 'Contact card'],
  cardTitle: ['网格联系卡', 'Grid contact card'], scanMe: ['扫码查看本网格', 'Scan for this grid'], toMap: ['打开地图', 'Open the map'], printed: ['打印时间', 'Printed'], phone: ['电话', 'Phone'], name: ['姓名', 'Name'], role: ['职责', 'Role'],
  code: ['编码', 'Code'], belongs: ['所属', 'Part of'], mapOf: ['网格范围图', 'Map of the grid'], offlineCard: ['服务器没有应答，稍后再试', 'The server does not answer. Please try again later.'],
  logIn: ['登录', 'Log in'], logInWithToken: ['用令牌登录', 'Log in with the token'], loggingIn: ['正在登录', 'Logging in'], logOut: ['退出登录', 'Log out'], or: ['或', 'or'], accessToken: ['访问令牌', 'Access token'],
  noAccount: ['没有账号或令牌，请联系平台管理员。', 'No account and no token? Ask whoever runs the platform.'], screen: ['屏幕', 'Screen'], seconds: ['秒', 's'],
  why_ended: ['登录已失效：到了时限，或令牌已停用。请重新登录，画面会回到原处。', 'You are logged out: its time was over, or the token was revoked. Log in again and go on where you were.'],
  why_screen: ['此屏的令牌已失效，请管理员重新登录本屏。', 'The token of this screen is no longer good. Someone has to log it in again.'],
  why_idle: ['太久没有操作，已自动退出。请重新登录，画面会回到原处。', 'Nobody was here for a while, so you were logged out. Log in again and go on where you were.'],
  why_out: ['已退出登录。', 'You are logged out.'],
  why_invalid: ['统一认证没有放行，或登录耗时过长。请重新登录。', 'The other system let nobody in, or it took too long. Log in again.'],
  why_invalid_token: ['没有这个访问令牌，请核对后重新输入。', 'There is no such token. Check it and try again.'],
  why_ended_token: ['这个访问令牌已停用或过期，请向管理员要新的。', 'This token was revoked or has expired. Ask for a new one.'],
  why_no_role: ['账号有效，但在本平台没有角色。请让管理员分配角色。', 'The account is good, but has no role here. Ask for one.'],
  why_no_scope: ['账号有效，但没有指定可看的区域。请让管理员指定区域。', 'The account is good, but nobody said which part of the city it may see. Ask for it.'],
  why_no_map: ['这个角色不能查看地图，请换一个账号。', 'this role may not see the map. Use another account.'],
  why_no_cookie: ['浏览器没有保存登录状态，请允许本网站使用 Cookie。', 'The browser did not keep the session. Allow cookies for this site.'],
  why_too_many: ['尝试次数过多，请稍候再试。', 'Too many tries. Wait a moment.'],
  why_elsewhere: ['统一认证系统没有应答。请稍后再试，或改用访问令牌。', 'The other system does not answer. Try again later, or use a token.'],
  why_foreign: ['服务器不认得这个网址，请管理员核对 base_url 和代理设置。', 'The server does not know itself under this address. Check base_url and the proxy.'],
  why_silent: ['服务器没有应答，正在重试。', 'The server does not answer, trying again.'], why_failed: ['登录没有成功，请重试。', 'The log-in failed. Try again.'],
  caller: ['当前用户', 'Who is logged in'], roles: ['角色', 'Roles'], myPart: ['我的范围', 'My part of the city'], mayInside: ['可看范围', 'May see'], wholeCity: ['全市', 'the whole city'], until: ['有效至', 'Until'],
  role_viewer: ['查看', 'Viewer'], role_officer: ['网格员', 'Officer'], role_operator: ['坐席', 'Operator'], role_planner: ['规划', 'Planner'], role_admin: ['管理员', 'Administrator'], role_auditor: ['审计', 'Auditor'],
  locate: ['定位', 'Where am I'], locating: ['正在定位', 'Finding the position'], hereIn: ['你在', 'You are in'], hereMaybe: ['你可能在', 'You may be in'],
  where_insecure: ['浏览器只在安全连接下给出位置，请用 https 打开本页。', 'Browsers tell the position only over a secure connection: open this page over https.'],
  where_denied: ['浏览器没有允许本页使用位置，请在网站设置中允许。', 'The browser may not tell this page the position. Allow it in the settings of the site.'],
  where_unavailable: ['设备现在给不出位置，请稍后再试。', 'The device cannot tell its position now. Try again later.'],
  where_coarse: ['位置太粗略，分不清在哪个网格', 'The position is too coarse to tell a grid'], where_failed: ['位置已得到，但服务器没有应答，请重试。', 'The position is known, but the server does not answer. Try again.'],
  wallCheck: ['大屏自检', 'Wall check'], wallGood: ['符合要求', 'as it should be'], wallBad: ['有不符合项', 'something is wrong'], wallScreen: ['屏幕', 'Screen'], wallCanvas: ['地图画布', 'Map canvas'],
  wallCard: ['显卡', 'Graphics'], wallFonts: ['字体', 'Fonts'], wallRoom: ['房间尺寸未给出', 'Size of the room not told'], wallLetters: ['字高', 'Letters'],
  outside: ['此处不在任何网格内', 'No grid here'],
  'age-0': ['1 小时内', 'under 1 h'], 'age-1': ['1–4 小时', '1–4 h'], 'age-2': ['4–24 小时', '4–24 h'], 'age-3': ['1–3 天', '1–3 d'], 'age-4': ['3 天以上', 'over 3 d'],
  reported: ['上报', 'Reported'], verifying: ['核实', 'Verifying'], accepted: ['受理', 'Accepted'], filed: ['立案', 'Filed'], dispatched: ['派遣', 'Dispatched'],
  returned: ['退回', 'Returned'], feedback: ['反馈', 'Feedback'], checking: ['核查', 'Checking'], rework: ['返工', 'Rework'], extension_pending: ['延期待批', 'Extension pending'],
  intact: ['完好', 'Intact'], damaged: ['破损', 'Damaged'], lost: ['丢失', 'Lost'], abandoned: ['废弃', 'Abandoned'], removed: ['移除', 'Removed'],
  base: ['基础网格', 'Base grid'], dedicated: ['专属网格', 'Dedicated grid'], micro: ['微网格', 'Micro grid'], unit: ['单元网格', 'Unit grid'],
  duty: ['责任网格', 'Duty grid'], evaluation: ['评价网格', 'Evaluation grid'], police: ['警格', 'Police grid'], business: ['工商巡查网格', 'Business grid'],
  province: ['省', 'Province'], city: ['市', 'City'], county: ['县区', 'County'], township: ['街道乡镇', 'Township'], community: ['社区村', 'Community'], grid: ['网格', 'Grid'],
  position: ['位置', 'Position'], street: ['道路', 'Street'], address: ['门牌', 'Address'], facility: ['设施', 'Facility'], case: ['案件', 'Case'], region: ['区域', 'Region'],
  grid_leader: ['网格长', 'Leader'], grid_officer: ['网格员', 'Officer'], patrol_officer: ['巡查员', 'Patrol officer'], police_officer: ['警务员', 'Police'], medic: ['医务人员', 'Medic'], teacher: ['教师', 'Teacher'],
  party_group_leader: ['党小组长', 'Party group leader'], volunteer: ['志愿者', 'Volunteer'], building_leader: ['楼长', 'Building leader'],
  township_cadre: ['镇街干部', 'Township cadre'], community_cadre: ['社区干部', 'Community cadre'], collector: ['信息采集员', 'Collector'],
} as const satisfies Record<string, readonly [string, string]>;

export type Word = keyof typeof WORDS;

const column = () => (route.value.lang === 'en' ? 1 : 0);

export function say(word: Word): string { return WORDS[word][column()]; }

/** The name of a grid set. */
export function saySet(set: string): string {
  const word = `set_${set}`;
  return Object.hasOwn(WORDS, word) ? say(word as Word) : set;
}

/** The word for a value of the API, or the value itself when it is newer than this viewer. */
export function sayValue(value: string): string {
  return Object.hasOwn(WORDS, value) ? WORDS[value as Word][column()] : value;
}

/** A member's role: `police` is also a kind of grid. */
export function sayRole(role: string): string { return sayValue(role === 'police' ? 'police_officer' : role); }

/** A caller's role: an officer of the platform is no officer of a team. */
export function sayCallerRole(role: string): string {
  const word = `role_${role}`;
  return Object.hasOwn(WORDS, word) ? say(word as Word) : role;
}

/** What has a title in both languages, in that of the page. */
export function titleOf({ title, title_en }: { title: string; title_en: string }): string { return [title, title_en][column()] || title; }

/** The id of the group that holds what belongs to no other. */
export const OTHERS = 'others';

/** The name of a facility group in the language of the page. */
export function groupName({ id, name, name_en }: { id: string; name?: string; name_en?: string }): string {
  if (id === OTHERS) return say('otherFacilities');
  return [name, name_en][column()] ?? id;
}
