/** Room for what lies over the map's edges, in px of the map. */
export const PADDING = { top: 72, bottom: 56, left: 222, right: 40 };
