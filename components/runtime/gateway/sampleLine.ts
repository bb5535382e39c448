import type { ExchangeSample, ExchangeSide } from "./exchange";

const threeDigits = Array.from({ length: 1_000 }, (_, value) => String(value).padStart(3, "0"));
const plainText = /^[ !#-[\]-~]*$/;

let lastSecond = -1;
let lastSecondText = "";

/** One line of `samples.ndjson`: JSON, times with three decimals. */
export function sampleLine(sample: ExchangeSample): string {
  const { method, path, equal, differences } = sample;
  let line = `{"flow":${quoted(sample.flow)},"index":${sample.index},"protocol":"${sample.protocol}"`;
  if (method !== undefined) line += `,"method":${quoted(method)}`;
  if (path !== undefined) line += `,"path":${quoted(path)}`;
  line += `,"live":${sideText(sample.live)},"shadow":${sideText(sample.shadow)}`;
  line += `,"lagMilliseconds":${Math.round(sample.lagMilliseconds * 1_000) / 1_000}`;
  if (equal !== undefined) line += equal ? `,"equal":true` : `,"equal":false`;
  if (differences !== undefined) line += `,"differences":${JSON.stringify(differences)}`;
  return `${line}}\n`;
}

function sideText({ start, firstByte, end, status, bytes, digest, error }: ExchangeSide): string {
  let text = `{"start":${timeText(start)}`;
  if (firstByte !== undefined) text += `,"firstByte":${timeText(firstByte)}`;
  if (end !== undefined) text += `,"end":${timeText(end)}`;
  if (status !== undefined) text += `,"status":${status}`;
  if (bytes !== undefined) text += `,"bytes":${bytes}`;
  if (digest !== undefined) text += `,"digest":"${digest}"`;
  if (error !== undefined) text += `,"error":${quoted(error)}`;
  return `${text}}`;
}

function quoted(text: string): string {
  return plainText.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** Milliseconds with three decimals; the seconds are written once for all times that share them. */
function timeText(milliseconds: number): string {
  const second = Math.floor(milliseconds / 1_000);
  if (second < 1) return String(Math.round(milliseconds * 1_000) / 1_000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastSecondText = String(second);
  }
  const micros = Math.round((milliseconds - second * 1_000) * 1_000);
  if (micros === 1_000_000) return `${second + 1}000.000`;
  const whole = Math.floor(micros / 1_000);
  return `${lastSecondText}${threeDigits[whole]!}.${threeDigits[micros - whole * 1_000]!}`;
}
