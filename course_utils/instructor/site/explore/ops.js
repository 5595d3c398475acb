"use strict";
// The arithmetic of the explorable pages. A tensor is {data: Float32Array, shape: [C, H, W]}, rows
// of numbers as PyTorch stores them. Sizes are in pixels and follow course_utils.arithmetic.
// All scripts share the object Course: pages opened from a folder cannot load modules.
var Course = globalThis.Course || {};
Course.data = Course.data || {};
Course.ops = (() => {
  const FORMATS = { uint8: Uint8Array, int16: Int16Array, int32: Int32Array, float32: Float32Array };

  // A float16 in a float32: sign, 5 bits of exponent, 10 bits of fraction (IEEE 754).
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }

  // Return {data, shape} of an array that explore.py packed: {dtype, shape, base64}.
  function unpack({ dtype, shape, base64 }) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    if (dtype === "float16") {
      return { data: Float32Array.from(new Uint16Array(bytes.buffer), half), shape };
    }
    return { data: new FORMATS[dtype](bytes.buffer), shape };
  }

  function refuse(span, padded) {
    throw new RangeError(`The kernel spans ${span} pixels; the padded image has only ${padded}.`);
  }

  // floor((size + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1, or 2012's rounding up.
  // Throws RangeError where the kernel does not fit.
  function convSize(size, kernel, stride = 1, padding = 0, dilation = 1, ceil = false) {
    const span = dilation * (kernel - 1) + 1;
    const room = size + 2 * padding - span;
    if (room < 0) refuse(span, size + 2 * padding);
    return (ceil ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
  }

  // As PyTorch's pooling: with ceil the last window must start inside the image or its left padding.
  function poolSize(size, kernel, stride = kernel, padding = 0, dilation = 1, ceil = false) {
    const span = dilation * (kernel - 1) + 1;
    const room = size + 2 * padding - span + (ceil ? stride - 1 : 0);
    if (room < 0) refuse(span, size + 2 * padding);
    const windows = Math.floor(room / stride) + 1;
    return ceil && (windows - 1) * stride >= size + padding ? windows - 1 : windows;
  }

  // How many of `windows` windows read each of `size` pixels along one axis.
  function readCounts(size, windows, kernel, stride = 1, padding = 0, dilation = 1) {
    const counts = new Int32Array(size);
    for (let window = 0; window < windows; window++) {
      for (let tap = 0; tap < kernel; tap++) {
        const pixel = window * stride - padding + tap * dilation;
        if (pixel >= 0 && pixel < size) counts[pixel]++;
      }
    }
    return counts;
  }

  // Along one axis output i sees pixels start + i·jump, `size` of them (Araujo et al. 2019).
  // layers: objects {kernel, stride, padding, dilation}, the one next to the image first.
  function receptiveField(layers) {
    const field = { size: 1, jump: 1, start: 0 };
    for (const { kernel, stride = 1, padding = 0, dilation = 1 } of layers) {
      field.size += dilation * (kernel - 1) * field.jump;
      field.start -= padding * field.jump;
      field.jump *= stride;
    }
    return field;
  }

  // Add weight · (one channel of the input, as one tap of the kernel sees it) to one output map.
  function addTap(out, at, [rows, columns], input, from, [height, width], weight, tap) {
    const { dy, dx, stride } = tap; // of the pixel under this tap in the first window
    const first = Math.max(0, Math.ceil(-dx / stride));
    const last = Math.min(columns - 1, Math.floor((width - 1 - dx) / stride));
    for (let y = 0; y < rows; y++) {
      const row = y * stride + dy;
      if (row < 0 || row >= height) continue;
      const start = from + row * width + dx;
      for (let x = first; x <= last; x++) out[at + y * columns + x] += weight * input[start + x * stride];
    }
  }

  // Convolution. weight: {data, shape: [O, C, F, F]}, bias: Float32Array (O) or null. Returns a tensor.
  function conv2d({ data, shape: [channels, height, width] }, weight, bias = null, stride = 1, padding = 0) {
    const [filters, depth, kernel] = weight.shape;
    if (depth !== channels) throw new RangeError(`${depth} channels in the kernel, ${channels} here`);
    const size = [convSize(height, kernel, stride, padding), convSize(width, kernel, stride, padding)];
    const area = size[0] * size[1];
    const out = new Float32Array(filters * area);
    for (let filter = 0; filter < filters; filter++) {
      if (bias) out.fill(bias[filter], filter * area, (filter + 1) * area);
      for (let channel = 0; channel < channels; channel++) {
        for (let tap = 0; tap < kernel * kernel; tap++) {
          const value = weight.data[(filter * channels + channel) * kernel * kernel + tap];
          if (value === 0) continue;
          const place = { dy: Math.floor(tap / kernel) - padding, dx: (tap % kernel) - padding, stride };
          addTap(out, filter * area, size, data, channel * height * width, [height, width], value, place);
        }
      }
    }
    return { data: out, shape: [filters, ...size] };
  }

  // One number for each window of `kernel` × `kernel`, without padding: its largest, or its mean.
  function pool2d({ data, shape: [channels, height, width] }, kernel, stride, isMax) {
    const rows = poolSize(height, kernel, stride);
    const columns = poolSize(width, kernel, stride);
    const out = new Float32Array(channels * rows * columns);
    for (let i = 0; i < out.length; i++) {
      const x = i % columns;
      const y = Math.floor(i / columns) % rows;
      const from = (Math.floor(i / (rows * columns)) * height + y * stride) * width + x * stride;
      let found = isMax ? -Infinity : 0;
      for (let tap = 0; tap < kernel * kernel; tap++) {
        const value = data[from + Math.floor(tap / kernel) * width + (tap % kernel)];
        found = isMax ? Math.max(found, value) : found + value / (kernel * kernel);
      }
      out[i] = found;
    }
    return { data: out, shape: [channels, rows, columns] };
  }

  const maxPool2d = (input, kernel, stride = kernel) => pool2d(input, kernel, stride, true);
  const avgPool2d = (input, kernel, stride = kernel) => pool2d(input, kernel, stride, false);
  const map = (input, f) => ({ data: input.data.map(f), shape: input.shape });
  const relu = (input) => map(input, (value) => Math.max(0, value));

  // Fully connected: weight {data, shape: [O, N]}, bias Float32Array (O), input of N numbers.
  function linear(input, weight, bias) {
    const [outputs, inputs] = weight.shape;
    if (input.length !== inputs) throw new RangeError(`takes ${inputs} numbers, got ${input.length}`);
    const out = new Float32Array(outputs);
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o];
      for (let i = 0; i < inputs; i++) sum += weight.data[o * inputs + i] * input[i];
      out[o] = sum;
    }
    return out;
  }

  // Probabilities of logits divided by the temperature.
  function softmax(logits, temperature = 1) {
    const scaled = Float64Array.from(logits, (logit) => logit / temperature);
    const top = Math.max(...scaled);
    const powers = scaled.map((logit) => Math.exp(logit - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  }

  // 2 FLOPs for each weight of a filter at each output number, biases not counted, as in lecture 02.
  const LAYERS = {
    conv([channels, height, width], { filters, kernel, stride, padding, dilation }) {
      const size = [height, width].map((side) => convSize(side, kernel, stride, padding, dilation));
      const weights = channels * kernel * kernel;
      return {
        output: [filters, ...size],
        parameters: filters * (weights + 1),
        flops: 2 * filters * size[0] * size[1] * weights,
      };
    },
    pool([channels, height, width], { kernel, stride, padding, dilation }) {
      const size = [height, width].map((side) => poolSize(side, kernel, stride, padding, dilation));
      return { output: [channels, ...size], parameters: 0, flops: 0 };
    },
    linear(shape, { filters }) {
      const inputs = shape.reduce((a, b) => a * b, 1); // flattened
      return { output: [filters], parameters: (inputs + 1) * filters, flops: 2 * inputs * filters };
    },
  };

  // Follow a square image (C, H, W) through layers {kind: conv, pool or linear, …}. Returns rows
  // {output, parameters, flops, field}; the last one is {error} if its layer does not fit. A linear
  // layer sees all of the image: its field is null.
  function trace(shape, layers) {
    const rows = [];
    for (const [at, layer] of layers.entries()) {
      const before = at ? rows[at - 1].output : shape;
      try {
        if (layer.kind !== "linear" && before.length === 1) {
          throw new RangeError("A linear layer gives plain numbers: no window fits there.");
        }
        const field = layer.kind === "linear" ? null : receptiveField(layers.slice(0, at + 1));
        rows.push({ ...LAYERS[layer.kind](before, layer), field });
      } catch (error) {
        return [...rows, { error: error.message }];
      }
    }
    return rows;
  }

  return {
    trace, unpack, convSize, poolSize, readCounts, receptiveField, conv2d, maxPool2d, avgPool2d, map, relu,
    linear, softmax,
  };
})();
