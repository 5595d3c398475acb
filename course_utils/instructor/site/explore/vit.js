"use strict";
// The small vision transformer of lecture 14. T tokens of D numbers each lie in one Float32Array,
// token after token; the class token is number 0. Course.vit(weights, heads) returns run.
// weights: unpacked arrays by the names of course_utils.models.VisionTransformer.
Course.vit = (weights, heads) => {
  const { conv2d, linear, softmax } = Course.ops;
  const EPSILON = 1e-6; // of layer norm
  const dim = weights["encoder.ln.weight"].data.length;
  const get = (name) => weights[name].data;

  // Apply f to the `size` numbers of each token, and join what it returns.
  function each(tokens, size, f) {
    const rows = [];
    for (let at = 0; at < tokens.length; at += size) rows.push(f(tokens.subarray(at, at + size)));
    const out = new Float32Array(rows.length * rows[0].length);
    rows.forEach((row, n) => out.set(row, n * row.length));
    return out;
  }

  function layerNorm(tokens, name) {
    const [weight, bias] = [get(`${name}.weight`), get(`${name}.bias`)];
    return each(tokens, dim, (token) => {
      const mean = token.reduce((a, b) => a + b, 0) / dim;
      const variance = token.reduce((sum, value) => sum + (value - mean) ** 2, 0) / dim;
      return token.map((value, i) => ((value - mean) / Math.sqrt(variance + EPSILON)) * weight[i] + bias[i]);
    });
  }

  function dense(tokens, name, suffix = ".") {
    const [weight, bias] = [weights[`${name}${suffix}weight`], get(`${name}${suffix}bias`)];
    return each(tokens, weight.shape[1], (token) => linear(token, weight, bias));
  }

  // The error function to 1.5e-7 (Abramowitz and Stegun 1964, formula 7.1.26).
  function erf(x) {
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return Math.sign(x) * (1 - sum * Math.exp(-x * x));
  }
  const gelu = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));
  const sum = (a, b) => a.map((value, i) => value + b[i]);

  // One head. qkv: (T, 3·D). Writes what its queries read into `out` (T, D); returns the weights (T, T).
  function attend(qkv, head, out) {
    const size = dim / heads;
    const count = qkv.length / (3 * dim);
    const part = (which, token) => (token * 3 + which) * dim + head * size;
    const shares = new Float32Array(count * count);
    for (let query = 0; query < count; query++) {
      const scores = new Float64Array(count);
      for (let key = 0; key < count; key++) {
        for (let i = 0; i < size; i++) scores[key] += qkv[part(0, query) + i] * qkv[part(1, key) + i];
        scores[key] /= Math.sqrt(size);
      }
      const row = softmax(scores);
      shares.set(row, query * count);
      for (let key = 0; key < count; key++) {
        for (let i = 0; i < size; i++) out[query * dim + head * size + i] += row[key] * qkv[part(2, key) + i];
      }
    }
    return shares;
  }

  // One block. Returns the tokens after it and the weights of its heads.
  function block(tokens, name) {
    const qkv = dense(layerNorm(tokens, `${name}.ln_1`), `${name}.self_attention.in_proj`, "_");
    const read = new Float32Array(tokens.length);
    const maps = Array.from({ length: heads }, (_, head) => attend(qkv, head, read));
    const between = sum(tokens, dense(read, `${name}.self_attention.out_proj`));
    const hidden = dense(layerNorm(between, `${name}.ln_2`), `${name}.mlp.0`).map(gelu);
    return { tokens: sum(between, dense(hidden, `${name}.mlp.3`)), maps };
  }

  // The class token, then the patches of an image (3, H, W), with their positions.
  function tokensOf(image) {
    const { data, shape: [, rows, columns] } = conv2d(image, weights["conv_proj.weight"], get("conv_proj.bias"),
      weights["conv_proj.weight"].shape[2]);
    const patches = rows * columns;
    const tokens = Float32Array.from(get("encoder.pos_embedding"));
    get("class_token").forEach((value, i) => { tokens[i] += value; });
    for (let n = 0; n < patches; n++) {
      for (let i = 0; i < dim; i++) tokens[(n + 1) * dim + i] += data[i * patches + n];
    }
    return tokens;
  }

  // For an image: its logits, and for each block and head the weights (T, T), row: who reads.
  return (image) => {
    let tokens = tokensOf(image);
    const maps = [];
    for (let n = 0; weights[`encoder.layers.encoder_layer_${n}.ln_1.weight`]; n++) {
      const after = block(tokens, `encoder.layers.encoder_layer_${n}`);
      tokens = after.tokens;
      maps.push(after.maps);
    }
    const first = layerNorm(tokens, "encoder.ln").subarray(0, dim);
    return { logits: dense(first, "heads.head"), maps };
  };
};
