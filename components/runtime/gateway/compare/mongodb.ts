/** Bytes of a message's header: length, the sender's number for it, the number of what it answers, operation. */
export const mongoHeaderBytes = 16;
/** The header and the flags behind it. */
export const mongoFlaggedBytes = 20;

const [update, insert, remove, killCursors, message] = [2001, 2002, 2006, 2007, 2013];
const operations = new Set([1, update, insert, 2004, 2005, remove, killCursors, 2010, 2011, 2012, message]);
const longest = 48_000_000;
/** In the flags of a message: nobody is to answer. */
const moreToCome = 2;

/** Length of a message by its header; 0 when it is none. */
export function lengthOfMongo(header: Buffer): number {
  const length = header.readUInt32LE(0);
  return operations.has(header.readUInt32LE(12)) && length >= mongoHeaderBytes && length <= longest ? length : 0;
}

/** Whether the server is only told, as where writes are not acknowledged; inside compression that is not seen. */
export function isToldToMongo(header: Buffer): boolean {
  const operation = header.readUInt32LE(12);
  if (operation === message) return (header[mongoHeaderBytes]! & moreToCome) !== 0;
  return [update, insert, remove, killCursors].includes(operation);
}
