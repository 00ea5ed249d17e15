// ?wall=1&check: whether this wall can show what it is asked to, line by line. Off, nothing of it is there.
import { route } from '../route';
import { mapCanvas } from '../map/canvas';
import { meta } from '../state';
import { screen, unit } from '../unit';
import { pixelsNeeded, roomOf, SIZES_U, type Room } from '../wall';
import { say } from '../words';

interface Line { word: string; value: string; good: boolean }

export function WallCheck() {
  const { wall } = route.value;
  if (!wall?.check) return null;
  const lines = checked(roomOf(wall, meta.data?.wall));
  return (
    <section class="wall-check" role="status">
      <h2>{say('wallCheck')} · {lines.every((line) => line.good) ? say('wallGood') : say('wallBad')}</h2>
      <table><tbody>
        {lines.map(({ word, value, good }) => <tr key={word} class={good ? '' : 'bad'}><td aria-hidden="true">{good ? '✓' : '■'}</td><th>{word}</th><td>{value}</td></tr>)}
      </tbody></table>
    </section>
  );
}

function checked({ cols, rows, distance_m, pitch_mm }: Room): Line[] {
  const { width, height } = screen.value, ratio = devicePixelRatio;
  const lines: Line[] = [{ word: say('wallScreen'), value: `${width * ratio} × ${height * ratio} px · ${cols} × ${rows} · u = ${(unit.value * ratio).toFixed(2)} px`, good: (width * ratio) % cols < 1 && (height * ratio) % rows < 1 }];
  const canvas = mapCanvas.value;
  if (canvas) {
    lines.push({
      word: say('wallCanvas'), value: `${canvas.width} × ${canvas.height} / ${canvas.wanted[0]} × ${canvas.wanted[1]} px`,
      good: Math.abs(canvas.width - canvas.wanted[0]) <= 2 && Math.abs(canvas.height - canvas.wanted[1]) <= 2,
    }, { word: say('wallCard'), value: `${canvas.renderer} · ${canvas.largest} px`, good: !canvas.software });
  }
  const fonts = document.fonts.check('16px "Noto Sans SC"', '网格') && document.fonts.check('600 16px "Noto Sans SC"', '网格');
  lines.push({ word: say('wallFonts'), value: 'Noto Sans SC 400, 600', good: fonts });
  if (!distance_m || !pitch_mm) return [...lines, { word: say('wallRoom'), value: '&distance=8&pitch=1.25', good: false }];
  const least = pixelsNeeded(distance_m, pitch_mm);
  for (const [name, u] of Object.entries(SIZES_U)) {
    const pixels = u * unit.value * ratio;
    lines.push({ word: `${say('wallLetters')} ${name} ${u} u`, value: `${pixels.toFixed(0)} px / ${least.toFixed(0)} px (${distance_m} m, P${pitch_mm})`, good: pixels >= least });
  }
  return lines;
}
