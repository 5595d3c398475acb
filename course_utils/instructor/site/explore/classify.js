"use strict";
// Two ways to name a garment, as in lectures 01 and 03: K-NN on pixels, and LeNet-5.
// An image is a Uint8Array of 32 × 32 pixels, rows from the top: 28 × 28 of Fashion-MNIST in a
// frame of zeros.
Course.classify = (() => {
  const SIDE = 32;
  const INNER = 28;
  const FRAME = 2;
  const { conv2d, linear, maxPool2d, relu } = Course.ops;

  // Set a 28 × 28 image into its frame.
  function framed(inner) {
    const image = new Uint8Array(SIDE * SIDE);
    for (let row = 0; row < INNER; row++) {
      image.set(inner.subarray(row * INNER, (row + 1) * INNER), (row + FRAME) * SIDE + FRAME);
    }
    return image;
  }

  // Move an image dx pixels to the right and dy down; what comes in is black.
  function shifted(image, dx, dy) {
    const moved = new Uint8Array(SIDE * SIDE);
    const from = Math.max(0, -dx);
    const to = Math.min(SIDE, SIDE - dx);
    for (let row = Math.max(0, dy); row < Math.min(SIDE, SIDE + dy) && from < to; row++) {
      const start = (row - dy) * SIDE;
      moved.set(image.subarray(start + from, start + to), row * SIDE + from + dx);
    }
    return moved;
  }

  // Round as PyTorch does: a half goes to the even neighbour.
  function rounded(value) {
    const up = Math.round(value);
    return up - value === 0.5 && up % 2 ? up - 1 : up;
  }

  // Where pixel `place` of an axis of `size` pixels lies among SIDE pixels: two of them, a share.
  function between(place, size) {
    const at = Math.max(0, ((place + 0.5) * SIDE) / size - 0.5);
    const low = Math.floor(at);
    return [low, Math.min(low + 1, SIDE - 1), at - low];
  }

  // Enlarge or shrink an image about its middle, bilinear, as course_utils.data.zoom does.
  function zoomed(image, factor) {
    const size = Math.max(1, Math.round(SIDE * factor));
    const start = Math.floor((SIDE - size) / 2);
    const out = new Uint8Array(SIDE * SIDE);
    for (let y = Math.max(0, start); y < Math.min(SIDE, start + size); y++) {
      const [top, bottom, down] = between(y - start, size);
      for (let x = Math.max(0, start); x < Math.min(SIDE, start + size); x++) {
        const [left, right, across] = between(x - start, size);
        const upper = image[top * SIDE + left] * (1 - across) + image[top * SIDE + right] * across;
        const lower = image[bottom * SIDE + left] * (1 - across) + image[bottom * SIDE + right] * across;
        out[y * SIDE + x] = rounded(upper * (1 - down) + lower * down);
      }
    }
    return out;
  }

  function squares(image, start, length) {
    let sum = 0;
    for (let i = start; i < start + length; i++) sum += image[i] * image[i];
    return sum;
  }

  // K-NN with Euclidean distance. known: Uint8Array (N · 784), the images without their frames.
  // Returns a function: image, k → [{index, distance}], nearest first; a tie goes to the lower index.
  function nearestIn(known) {
    const area = INNER * INNER;
    const count = known.length / area;
    const lengths = Float64Array.from({ length: count }, (_, n) => squares(known, n * area, area));
    const distances = new Float64Array(count);
    return (image, k) => {
      const places = []; // only pixels that are not black add to a product
      for (let i = 0; i < area; i++) {
        const value = image[(Math.floor(i / INNER) + FRAME) * SIDE + (i % INNER) + FRAME];
        if (value) places.push([i, value]);
      }
      const where = Int32Array.from(places, ([place]) => place);
      const values = Int32Array.from(places, ([, value]) => value);
      const whole = squares(image, 0, SIDE * SIDE); // the frame of a known image is black
      for (let n = 0; n < count; n++) {
        let product = 0;
        for (let i = 0; i < where.length; i++) product += known[n * area + where[i]] * values[i];
        distances[n] = whole + lengths[n] - 2 * product;
      }
      return smallest(distances, k).map((index) => ({ index, distance: Math.sqrt(distances[index]) }));
    };
  }

  // Indices of the k smallest values, in order; of equal values the lower index comes first.
  function smallest(values, k) {
    const best = [];
    for (let n = 0; n < values.length; n++) {
      if (best.length === k && values[n] >= values[best[k - 1]]) continue;
      let place = best.length;
      while (place > 0 && values[best[place - 1]] > values[n]) place--;
      best.splice(place, 0, n);
      if (best.length > k) best.pop();
    }
    return best;
  }

  // Index of the largest value, the first of several.
  function largest(values) {
    let best = 0;
    for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
    return best;
  }

  // LeNet-5. weights: unpacked arrays by PyTorch's names. Returns a function: image → {logits, maps},
  // maps: what the six filters of C1 answer, after ReLU, a tensor (6, 28, 28).
  function lenet(weights, mean, std) {
    const layer = (name) => [weights[`${name}.weight`], weights[`${name}.bias`].data];
    const normalised = Float32Array.from({ length: 256 }, (_, value) => (value / 255 - mean) / std);
    return (image) => {
      const input = { data: Float32Array.from(image, (value) => normalised[value]), shape: [1, SIDE, SIDE] };
      const maps = relu(conv2d(input, ...layer("features.0")));
      const second = relu(conv2d(maxPool2d(maps, 2), ...layer("features.3")));
      let out = maxPool2d(second, 2).data;
      for (const name of ["classifier.0", "classifier.2"]) {
        out = linear(out, ...layer(name)).map((value) => Math.max(0, value));
      }
      return { logits: linear(out, ...layer("classifier.4")), maps };
    };
  }

  return { SIDE, INNER, framed, shifted, zoomed, nearestIn, largest, lenet };
})();
