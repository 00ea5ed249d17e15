// Colours by their names in styles/tokens.json, as the page has them.
export function colour(token: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim();
}
