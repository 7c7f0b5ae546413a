// Run lengths down the columns, background first, to a mask of one byte a pixel in rows, and back.

export function maskOf(runs, [height, width]) {
  const mask = new Uint8Array(height * width);
  let at = 0;
  runs.forEach((length, place) => {
    if (place % 2) {
      for (let k = at; k < at + length; k++) mask[(k % height) * width + Math.floor(k / height)] = 1;
    }
    at += length;
  });
  return mask;
}

export function runsOf(mask, [height, width]) {
  const runs = [];
  let value = 0, length = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      const pixel = mask[y * width + x];
      if (pixel === value) length++;
      else {
        runs.push(length);
        value = pixel;
        length = 1;
      }
    }
  }
  runs.push(length);
  return runs;
}
