/** Tests of ONNX that this library refuses, by name, with the reason. Each must fail with an UnsupportedOperatorError. */
export const exceptions: Readonly<Record<string, string>> = {}
