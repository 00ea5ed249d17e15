// Icons of panels are the sprite's, painted in the colour of the text around them.

const drawings = import.meta.glob<string>('../../../styles/icons/*.svg', { query: '?raw', import: 'default', eager: true });

const byName = new Map(Object.entries(drawings).map(([path, svg]) => [path.replace(/^.*\/|\.svg$/g, ''), svg]));

export function hasIcon(name: string): boolean { return byName.has(name); }

/** The name, or another when there is no such icon. */
export function known(name: string, other: string): string { return hasIcon(name) ? name : other; }

export function Icon({ name, class: extra = '' }: { name: string; class?: string }) {
  return <span class={`icon ${extra}`} aria-hidden="true" dangerouslySetInnerHTML={{ __html: byName.get(name) ?? byName.get('component')! }} />;
}
