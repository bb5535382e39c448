import type { ExchangeSample, ExchangeSide } from "./exchange";

/** Room for everything in a line but its texts. */
const fixedBytes = 1_024;
/** Most bytes that one UTF-16 unit takes in JSON. */
const bytesPerUnit = 6;
const largestQuick = 2 ** 31 - 1;
const [zero, point, quote, backslash] = [48, 46, 34, 92];

const word = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const flowName = word(`{"flow":`);
const indexName = word(`,"index":`);
const protocolName = word(`,"protocol":`);
const methodName = word(`,"method":`);
const pathName = word(`,"path":`);
const liveName = word(`,"live":`);
const shadowName = word(`,"shadow":`);
const lagName = word(`,"lagMilliseconds":`);
const overlappingTrue = word(`,"overlapping":true`);
const equalTrue = word(`,"equal":true`);
const equalFalse = word(`,"equal":false`);
const differencesName = word(`,"differences":`);
const startName = word(`{"start":`);
const firstByteName = word(`,"firstByte":`);
const endName = word(`,"end":`);
const statusName = word(`,"status":`);
const grpcStatusName = word(`,"grpcStatus":`);
const bytesName = word(`,"bytes":`);
const digestName = word(`,"digest":`);
const errorName = word(`,"error":`);
const sideEnd = word("}");
const lineEnd = word("}\n");

/** The second that was written last, which most times share. */
let lastSecond = -1;
let secondDigits = word("");

/** Bytes that the line of a sample takes at most. */
export function sampleRoom({ flow, method, path, differences }: ExchangeSample): number {
  let units = flow.length + (method?.length ?? 0) + (path?.length ?? 0);
  for (const difference of differences ?? []) units += difference.length + 1;
  return fixedBytes + units * bytesPerUnit;
}

/**
 * Writes one line of `samples.ndjson` at `start`: JSON, times with three decimals. Returns where it ends, at most
 * {@link sampleRoom} further on. Digits and plain letters are written one by one, so that a sample costs no text.
 */
export function writeSample(target: Buffer, start: number, sample: ExchangeSample): number {
  const { method, path, overlapping, equal, differences } = sample;
  let at = putText(target, putWord(target, start, flowName), sample.flow);
  at = putInteger(target, putWord(target, at, indexName), sample.index);
  at = putText(target, putWord(target, at, protocolName), sample.protocol);
  if (method !== undefined) at = putText(target, putWord(target, at, methodName), method);
  if (path !== undefined) at = putText(target, putWord(target, at, pathName), path);
  at = putSide(target, putWord(target, at, liveName), sample.live);
  at = putSide(target, putWord(target, at, shadowName), sample.shadow);
  at = putTime(target, putWord(target, at, lagName), sample.lagMilliseconds);
  if (overlapping) at = putWord(target, at, overlappingTrue);
  if (equal !== undefined) at = putWord(target, at, equal ? equalTrue : equalFalse);
  if (differences !== undefined) {
    at = putWord(target, at, differencesName);
    at += target.write(JSON.stringify(differences), at);
  }
  return putWord(target, at, lineEnd);
}

function putSide(target: Buffer, start: number, side: ExchangeSide): number {
  const { firstByte, end, status, grpcStatus, bytes, digest, error } = side;
  let at = putTime(target, putWord(target, start, startName), side.start);
  if (firstByte !== undefined) at = putTime(target, putWord(target, at, firstByteName), firstByte);
  if (end !== undefined) at = putTime(target, putWord(target, at, endName), end);
  if (status !== undefined) at = putInteger(target, putWord(target, at, statusName), status);
  if (grpcStatus !== undefined) at = putInteger(target, putWord(target, at, grpcStatusName), grpcStatus);
  if (bytes !== undefined) at = putInteger(target, putWord(target, at, bytesName), bytes);
  if (digest !== undefined) at = putText(target, putWord(target, at, digestName), digest);
  if (error !== undefined) at = putText(target, putWord(target, at, errorName), error);
  return putWord(target, at, sideEnd);
}

function putWord(target: Buffer, at: number, bytes: Uint8Array): number {
  for (let index = 0; index < bytes.length; index++) target[at + index] = bytes[index]!;
  return at + bytes.length;
}

/** A text in quotes; what is not plain ASCII is left to JSON's own rules. */
function putText(target: Buffer, start: number, text: string): number {
  let at = start;
  target[at++] = quote;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 32 || unit > 126 || unit === quote || unit === backslash) {
      return start + target.write(JSON.stringify(text), start);
    }
    target[at++] = unit;
  }
  target[at++] = quote;
  return at;
}

function putInteger(target: Buffer, at: number, value: number): number {
  if (value < 0 || value > largestQuick) return at + target.write(String(value), at, "latin1");
  let digits = 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
  let rest = value;
  for (let index = digits - 1; index >= 0; index--) {
    const tenth = (rest / 10) | 0;
    target[at + index] = zero + rest - tenth * 10;
    rest = tenth;
  }
  return at + digits;
}

/** Milliseconds with three decimals; the seconds are made once for all times that share them. */
function putTime(target: Buffer, at: number, milliseconds: number): number {
  if (milliseconds < 0) return at + target.write(String(Math.round(milliseconds * 1_000) / 1_000), at, "latin1");
  const second = Math.floor(milliseconds / 1_000);
  const micros = Math.round((milliseconds - second * 1_000) * 1_000);
  if (micros === 1_000_000) return putTime(target, at, (second + 1) * 1_000);
  const whole = (micros / 1_000) | 0;
  if (second === 0) return putMicros(target, putInteger(target, at, whole), micros - whole * 1_000);
  if (second !== lastSecond) {
    lastSecond = second;
    secondDigits = word(String(second));
  }
  const wholeAt = putWord(target, at, secondDigits);
  putThree(target, wholeAt, whole);
  return putMicros(target, wholeAt + 3, micros - whole * 1_000);
}

function putMicros(target: Buffer, at: number, micros: number): number {
  target[at] = point;
  putThree(target, at + 1, micros);
  return at + 4;
}

function putThree(target: Buffer, at: number, value: number): void {
  const hundreds = (value / 100) | 0;
  const tens = ((value - hundreds * 100) / 10) | 0;
  target[at] = zero + hundreds;
  target[at + 1] = zero + tens;
  target[at + 2] = zero + value - hundreds * 100 - tens * 10;
}
