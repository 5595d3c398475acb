"use strict";
// Unpack {dtype, shape, deflated}, which explore_arrays.py made: a promise of {data, shape}.
Course.inflate = async ({ dtype, shape, deflated }) => {
  const bytes = Uint8Array.from(atob(deflated), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  return { data: dtype === "int8" ? new Int8Array(buffer) : new Uint8Array(buffer), shape };
};
