//! A tuner's network as an ONNX model (opset 13), for programs that know nothing of ours.
//!
//! ```text
//!  observation [N, inputs] --Sub--Div--> Gemm --Relu--> ... --> Gemm --Tanh--Mul--> adjustment [N, 1]
//!        as in docs/tuner.md   center, scale                         | ArgMax--Cast--Mul--Sub, of discrete
//!        before the scaling                                          '  algorithms, in place of Tanh
//! ```
//!
//! The model has normalisation, network and scale. It has no fallback: an input beyond its range, which
//! the metadata state, means that the rule decides alone. Written by hand: of protocol buffers it takes
//! two kinds of fields (<https://github.com/onnx/onnx/blob/v1.17.0/onnx/onnx.proto>).

use carbon_kube_policies::Tuner;
use carbon_kube_policies::network::Output;

/// A message in the making.
#[derive(Clone, Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A whole number, never below 0 here.
    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }
}

/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// The nodes and tensors of a graph, one operation after the other.
struct Graph {
    message: Message,
    /// What the last operation gave.
    last: String,
    nodes: u32,
}

impl Graph {
    fn tensor(&mut self, name: &str, shape: &[usize], numbers: impl Iterator<Item = f32>) {
        let raw: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
        let dims = shape.iter().fold(Message::default(), |m, &dim| m.number(1, dim as u64));
        let tensor = dims.number(2, FLOAT).text(8, name).bytes(9, &raw);
        self.message = std::mem::take(&mut self.message).message(5, &tensor);
    }

    fn node(&mut self, operation: &str, more: &[&str], attributes: &[Message]) {
        self.nodes += 1;
        let output = format!("{}_{}", operation.to_lowercase(), self.nodes);
        let inputs = [self.last.as_str()].into_iter().chain(more.iter().copied());
        let node = inputs.fold(Message::default(), |node, input| node.text(1, input));
        let node = node.text(2, &output).text(3, &output).text(4, operation);
        let node = attributes.iter().fold(node, |node, attribute| node.message(5, attribute));
        self.message = std::mem::take(&mut self.message).message(1, &node);
        self.last = output;
    }
}

/// A whole-number attribute of a node.
fn attribute(name: &str, value: u64) -> Message {
    Message::default().text(1, name).number(3, value).number(20, 2)
}

fn value(name: &str, columns: usize) -> Message {
    let rows = Message::default().text(2, "N");
    let columns = Message::default().number(1, columns as u64);
    let shape = Message::default().message(1, &rows).message(1, &columns);
    let tensor = Message::default().number(1, FLOAT).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

/// The model as bytes of an `.onnx` file. Its answer is in g/kWh, or in spreads of the zone where the
/// tuner's action is.
pub fn model(name: &str, tuner: &Tuner) -> Vec<u8> {
    let inputs = &tuner.observation.inputs;
    let mut graph = Graph { message: Message::default(), last: "observation".into(), nodes: 0 };
    graph.tensor("center", &[inputs.len()], inputs.iter().map(|input| input.center as f32));
    graph.tensor("scale", &[inputs.len()], inputs.iter().map(|input| input.scale as f32));
    graph.node("Sub", &["center"], &[]);
    graph.node("Div", &["scale"], &[]);
    let layers = tuner.network.layers();
    let mut width = inputs.len();
    for (number, (weights, bias)) in layers.iter().enumerate() {
        let (weight_name, bias_name) = (format!("weight_{number}"), format!("bias_{number}"));
        graph.tensor(&weight_name, &[bias.len(), width], weights.iter().copied());
        graph.tensor(&bias_name, &[bias.len()], bias.iter().copied());
        graph.node("Gemm", &[&weight_name, &bias_name], &[attribute("transB", 1)]);
        if number + 1 < layers.len() {
            graph.node("Relu", &[], &[]);
        }
        width = bias.len();
    }
    match tuner.network.output() {
        Output::Tanh => graph.node("Tanh", &[], &[]),
        Output::Argmax => {
            graph.node("ArgMax", &[], &[attribute("axis", 1), attribute("keepdims", 1)]);
            graph.node("Cast", &[], &[attribute("to", FLOAT)]);
            graph.tensor("step", &[1], std::iter::once(2.0 / (width - 1) as f32));
            graph.tensor("one", &[1], std::iter::once(1.0));
            graph.node("Mul", &["step"], &[]);
            graph.node("Sub", &["one"], &[]);
        }
    }
    let action = &tuner.action;
    let (unit, at_one) = match action.spreads {
        Some(spreads) => ("spreads", spreads),
        None => ("grams_per_kwh", action.grams_per_kwh),
    };
    graph.tensor("at_one", &[1], std::iter::once(at_one as f32));
    graph.node("Mul", &["at_one"], &[]);
    let output = graph.last.clone();
    let graph = graph
        .message
        .text(2, "tuner")
        .message(11, &value("observation", inputs.len()))
        .message(12, &value(&output, 1));
    let ranges: Vec<String> = inputs
        .iter()
        .map(|input| format!("{:?} {} {} {}", input.name, input.min, input.max, input.mean))
        .collect();
    let property = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
    Message::default()
        .number(1, 7)
        .text(2, "carbon-kube")
        .text(3, env!("CARGO_PKG_VERSION"))
        .text(6, "beyond the range of an input the adjustment is 0; an unknown input is its mean")
        .message(7, &graph)
        .message(8, &Message::default().text(1, "").number(2, 13))
        .message(14, &property("policy", name))
        .message(14, &property("unit", unit))
        .message(14, &property("inputs: name min max mean", &ranges.join("; ")))
        .0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use carbon_kube_core::Span;
    use carbon_kube_policies::network::{Network, to_bytes};
    use carbon_kube_policies::observation::{Input, InputSpec, ObservationSpec};

    use super::*;

    /// Fields of a message: number, and a number or bytes.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let (mut value, mut shift) = (0, 0);
            loop {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
        }
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            match key & 7 {
                0 => found.push((key >> 3, varint(&mut bytes), &[][..])),
                2 => {
                    let len = varint(&mut bytes) as usize;
                    let (content, rest) = bytes.split_at(len);
                    found.push((key >> 3, 0, content));
                    bytes = rest;
                }
                kind => panic!("field of kind {kind}"),
            }
        }
        found
    }

    fn all(message: &[u8], field: u64) -> Vec<&[u8]> {
        fields(message).into_iter().filter(|f| f.0 == field).map(|f| f.2).collect()
    }

    fn text(message: &[u8], field: u64) -> String {
        String::from_utf8(all(message, field)[0].to_vec()).unwrap()
    }

    /// Runs the graph for one row, as the operators are defined.
    fn run(model: &[u8], row: &[f32]) -> f32 {
        let graph = all(model, 7)[0];
        let mut tensors: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for tensor in all(graph, 5) {
            let raw = all(tensor, 9)[0].as_chunks::<4>().0;
            let numbers: Vec<f32> = raw.iter().map(|b| f32::from_le_bytes(*b)).collect();
            let shape = fields(tensor).into_iter().filter(|f| f.0 == 1).map(|f| f.1);
            assert_eq!(shape.product::<u64>(), numbers.len() as u64);
            tensors.insert(text(tensor, 8), numbers);
        }
        tensors.insert("observation".into(), row.to_vec());
        for node in all(graph, 1) {
            let inputs = all(node, 1);
            let input = |at: usize| &tensors[std::str::from_utf8(inputs[at]).unwrap()];
            let x = input(0);
            let with = |operation: fn(f32, f32) -> f32| -> Vec<f32> {
                let other = input(1);
                x.iter().zip(other.iter().cycle()).map(|(x, y)| operation(*x, *y)).collect()
            };
            let result = match text(node, 4).as_str() {
                "Sub" => with(|x, y| x - y),
                "Div" => with(|x, y| x / y),
                "Mul" => with(|x, y| x * y),
                "Relu" => x.iter().map(|x| x.max(0.0)).collect(),
                "Tanh" => x.iter().map(|x| x.tanh()).collect(),
                "Cast" => x.clone(),
                "ArgMax" => {
                    let better = |best, at| if x[at] > x[best] { at } else { best };
                    vec![(1..x.len()).fold(0, better) as f32]
                }
                "Gemm" => {
                    let rows = input(1).chunks_exact(x.len());
                    let sum = |row: &[f32]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
                    rows.zip(input(2)).map(|(row, bias)| sum(row) + bias).collect()
                }
                other => panic!("{other}"),
            };
            tensors.insert(text(node, 2), result);
        }
        tensors[&text(all(graph, 12)[0], 1)][0]
    }

    fn tuner(outputs: usize, output: Output) -> Tuner {
        let input =
            |name| InputSpec { name, mean: 0.0, min: -9.0, max: 9.0, center: 0.5, scale: 2.0 };
        let number = |at: usize| ((at * 37 % 19) as f32 - 9.0) / 7.0;
        let hidden = ((0..8).map(number).collect(), vec![0.1, -0.2, 0.3, 0.0]);
        let last = ((3..3 + 4 * outputs).map(number).collect(), (0..outputs).map(number).collect());
        let bytes = to_bytes(2, &[hidden, last]).unwrap();
        Tuner {
            observation: ObservationSpec {
                version: 1,
                inputs: vec![input(Input::Intensity), input(Input::Base)],
            },
            network: Network::read_as(&bytes, 2, output).unwrap(),
            action: Default::default(),
            control_interval: Span::HOUR,
        }
    }

    #[test]
    fn the_model_answers_as_the_tuner_does_in_grams() {
        for (outputs, output) in [(1, Output::Tanh), (11, Output::Argmax)] {
            let tuner = tuner(outputs, output);
            let model = model("mine", &tuner);
            assert_eq!(fields(&model)[0], (1, 7, &[][..]));
            for at in 0..200 {
                let row = [(at % 17) as f32 / 2.0 - 4.0, (at % 23) as f32 / 3.0 - 4.0];
                let scaled = row.map(|x| (x - 0.5) / 2.0);
                let (found, expected) = (run(&model, &row), 50.0 * tuner.network.forward(&scaled));
                assert!((found - expected).abs() < 1e-4, "{row:?}: {found} and {expected}");
            }
        }
    }
}
