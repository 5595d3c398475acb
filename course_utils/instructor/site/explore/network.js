"use strict";
// A network that explore_inside.py packed: convolutions with batch norm and ReLU, max pools, and
// fully connected layers. Course.network(packed) is a promise of {layers, run}.
Course.network = async ({ features, classifier }) => {
  const { conv2d, linear, maxPool2d, unpack } = Course.ops;
  const LETTERS = { conv: "C", pool: "P", linear: "F" };
  const counts = { conv: 0, pool: 0, linear: 0 };
  const layers = await Promise.all([...features, ...classifier].map(async (packed) => {
    const { kind } = packed;
    counts[kind] += 1;
    const name = `${LETTERS[kind]}${counts[kind]}`;
    if (kind === "pool") return { kind, name };
    const [factor, shift] = [unpack(packed.factor).data, unpack(packed.shift).data];
    return { kind, name, weight: await Course.inflate(packed.weight), factor, shift };
  }));

  // Scale and shift each filter's sums: batch norm, bias and the rounding's scale in one step.
  // ReLU follows, but not after the last layer.
  function finished(sums, layer) {
    const { factor, shift } = layer;
    const area = sums.length / factor.length;
    const least = layer === layers.at(-1) ? -Infinity : 0;
    return sums.map((sum, i) => {
      const filter = Math.floor(i / area);
      return Math.max(least, sum * factor[filter] + shift[filter]);
    });
  }

  function through(layer, { data, shape }) {
    if (layer.kind === "pool") return maxPool2d({ data, shape }, 2);
    if (layer.kind === "linear") {
      const sums = linear(data, layer.weight, new Float32Array(layer.factor.length));
      return { data: finished(sums, layer), shape: [sums.length] };
    }
    const sums = conv2d({ data, shape }, layer.weight, null, 1, 1);
    return { data: finished(sums.data, layer), shape: sums.shape };
  }

  // What each layer puts out for an image (3, H, W), in order; the last ones are the logits.
  function run(image) {
    const outputs = [];
    for (const layer of layers) outputs.push(through(layer, outputs.at(-1) ?? image));
    return outputs;
  }

  return { layers, run };
};
