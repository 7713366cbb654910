// A thin layer over onnx-proto: nodes, inputs, outputs and initialisers become the bytes of an ONNX model.
import proto from 'onnx-proto';

const { onnx } = proto;
const { DataType, DataLocation } = onnx.TensorProto;
const { AttributeType } = onnx.AttributeProto;

export const elementTypes = {
  float32: DataType.FLOAT,
  float16: DataType.FLOAT16,
  bfloat16: DataType.BFLOAT16,
  int32: DataType.INT32,
  int64: DataType.INT64,
  int8: DataType.INT8,
  uint8: DataType.UINT8,
} as const;
export type ElementType = keyof typeof elementTypes;

/** An initialiser whose bytes stay in a file. `file` is relative to the folder that the session is opened with. */
export interface ExternalData {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A named dimension (its size is the caller's) or a fixed one. */
export type Dimension = string | number;
export type Attribute = number | { readonly float: number } | readonly number[];

/** The operators beyond the ONNX standard that onnxruntime brings. */
export const microsoft = 'com.microsoft';

export class GraphBuilder {
  readonly #nodes: proto.onnx.INodeProto[] = [];
  readonly #inputs: proto.onnx.IValueInfoProto[] = [];
  readonly #outputs: proto.onnx.IValueInfoProto[] = [];
  readonly #initializers = new Map<string, proto.onnx.ITensorProto>();

  input(name: string, type: ElementType, shape: readonly Dimension[]): string {
    this.#inputs.push(valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: ElementType, shape: readonly Dimension[]): void {
    this.#outputs.push(valueInfo(name, type, shape));
  }

  /** An initialiser whose bytes stay in a file. Adding a name twice adds it once. */
  external(name: string, type: ElementType, shape: readonly number[], { file, offset, bytes }: ExternalData): string {
    this.#initializers.set(name, {
      name,
      dataType: elementTypes[type],
      dims: [...shape],
      dataLocation: DataLocation.EXTERNAL,
      externalData: [
        { key: 'location', value: file },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(bytes) },
      ],
    });
    return name;
  }

  /** A small int64 constant, such as the shape of a Reshape. */
  constant(values: readonly number[]): string {
    const name = `constant.${values.join('_')}`;
    this.#initializers.set(name, { name, dataType: DataType.INT64, dims: [values.length], int64Data: [...values] });
    return name;
  }

  /** Numbers that are part of the model. */
  values(name: string, shape: readonly number[], values: Int8Array | Float32Array): string {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const dataType = elementTypes[values instanceof Int8Array ? 'int8' : 'float32'];
    this.#initializers.set(name, { name, dataType, dims: [...shape], rawData });
    return name;
  }

  /** A constant without dimensions. */
  scalar(type: 'float32' | 'uint8', value: number): string {
    const name = `scalar.${type}.${value}`;
    const data = type === 'float32' ? { floatData: [value] } : { int32Data: [value] };
    this.#initializers.set(name, { name, dataType: elementTypes[type], dims: [], ...data });
    return name;
  }

  /** Adds a node with one output and returns the output's name. An empty input name leaves an optional input out. */
  node(
    op: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): string {
    this.nodes(op, inputs, [output], attributes, domain);
    return output;
  }

  /** Adds a node with any number of outputs. */
  nodes(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): void {
    const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
    this.#nodes.push({
      opType: op,
      domain,
      name: outputs[0] ?? op,
      input: [...inputs],
      output: [...outputs],
      attribute,
    });
  }

  /** The model's bytes. */
  build(name: string): Uint8Array {
    const model = onnx.ModelProto.fromObject({
      irVersion: 8,
      producerName: 'surgery',
      opsetImport: [
        { domain: '', version: 17 },
        { domain: microsoft, version: 1 },
      ],
    });
    model.graph = onnx.GraphProto.create({
      name,
      node: this.#nodes,
      input: this.#inputs,
      output: this.#outputs,
      initializer: [...this.#initializers.values()],
    });
    return onnx.ModelProto.encode(model).finish();
  }
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]): proto.onnx.IValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType: elementTypes[type], shape: { dim } } } };
}

function attributeProto(name: string, value: Attribute): proto.onnx.IAttributeProto {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  return { name, type: AttributeType.INTS, ints: [...value] };
}
