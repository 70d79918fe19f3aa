//! The three networks of the paper, and a small one for tests and the embedded data.
//!
//! ```
//! use fisherlens_cnn::networks;
//!
//! assert_eq!(networks::googlenet().n_parameters(), 6_998_552);
//! ```

use crate::architecture::{Architecture, DATA};
use crate::layer::{Layer, LayerKind, Pooling, ResponseNormalization, Window};

/// Builds a list of layers. The input of a layer is the layer before it, unless another one is given.
#[derive(Default)]
struct Stack {
    layers: Vec<Layer>,
}

impl Stack {
    /// Name of the last layer.
    fn top(&self) -> String {
        self.layers.last().map_or_else(|| DATA.to_owned(), |layer| layer.name.clone())
    }

    /// Adds a layer with these inputs and returns its name.
    fn on(&mut self, bottoms: &[String], name: &str, kind: LayerKind) -> String {
        self.layers.push(Layer { name: name.to_owned(), kind, bottoms: bottoms.to_vec() });
        name.to_owned()
    }

    /// Adds a layer on top of the last one.
    fn then(&mut self, name: &str, kind: LayerKind) -> &mut Self {
        let top = self.top();
        self.on(&[top], name, kind);
        self
    }

    /// Adds a convolution and its ReLU.
    fn convolve(&mut self, name: &str, n_filters: usize, window: Window, n_groups: usize) -> &mut Self {
        self.then(name, LayerKind::Convolution { n_filters, window, n_groups }).then(&relu_of(name), LayerKind::Relu)
    }

    /// Adds max pooling.
    fn max(&mut self, name: &str, kernel: usize, stride: usize) -> &mut Self {
        self.then(name, LayerKind::Pooling { pooling: Pooling::Max, window: window(kernel, stride, 0) })
    }

    /// Adds two hidden inner products with ReLU and dropout, and then the scores and a softmax.
    fn connect(&mut self, n_hidden: usize, n_classes: usize) -> &mut Self {
        for layer in ["6", "7"] {
            self.then(&format!("fc{layer}"), LayerKind::InnerProduct { n_outputs: n_hidden })
                .then(&format!("relu{layer}"), LayerKind::Relu)
                .then(&format!("drop{layer}"), LayerKind::Dropout { ratio: 0.5 });
        }
        self.then("fc8", LayerKind::InnerProduct { n_outputs: n_classes }).then("prob", LayerKind::Softmax)
    }

    /// Adds a convolution and its ReLU inside an inception block. Returns the name of the ReLU's blob.
    fn branch(&mut self, from: &str, name: &str, n_filters: usize, window: Window) -> String {
        self.on(&[from.to_owned()], name, LayerKind::Convolution { n_filters, window, n_groups: 1 });
        self.on(&[name.to_owned()], &relu_of(name), LayerKind::Relu)
    }

    /// Adds an inception block. `filters`: numbers of filters of 1×1, 3×3 reduction, 3×3, 5×5 reduction, 5×5 and pool projection.
    fn inception(&mut self, block: &str, filters: [usize; 6]) -> &mut Self {
        let below = self.top();
        let name = |layer: &str| format!("inception_{block}/{layer}");
        let [one, reduce_3, three, reduce_5, five, projected] = filters;
        let point = window(1, 1, 0);
        let one = self.branch(&below, &name("1x1"), one, point);
        let reduced = self.branch(&below, &name("3x3_reduce"), reduce_3, point);
        let three = self.branch(&reduced, &name("3x3"), three, window(3, 1, 1));
        let reduced = self.branch(&below, &name("5x5_reduce"), reduce_5, point);
        let five = self.branch(&reduced, &name("5x5"), five, window(5, 1, 2));
        let pooled = LayerKind::Pooling { pooling: Pooling::Max, window: window(3, 1, 1) };
        let pooled = self.on(&[below], &name("pool"), pooled);
        let projected = self.branch(&pooled, &name("pool_proj"), projected, point);
        self.on(&[one, three, five, projected], &name("output"), LayerKind::Concat);
        self
    }

    fn build(&mut self, side: usize) -> Architecture {
        let layers = std::mem::take(&mut self.layers);
        Architecture::new([3, side, side], layers).expect("the layers of the networks in this file fit")
    }
}

fn window(kernel: usize, stride: usize, padding: usize) -> Window {
    Window { kernel, stride, padding }
}

/// Name of a convolution's ReLU, as in Caffe's own files: `conv1` → `relu1`, `inception_3a/1x1` → `inception_3a/relu_1x1`.
fn relu_of(convolution: &str) -> String {
    match convolution.rsplit_once('/') {
        Some((block, layer)) => format!("{block}/relu_{layer}"),
        None => convolution.replace("conv", "relu"),
    }
}

fn lrn(alpha: f32, k: f32) -> LayerKind {
    LayerKind::Lrn(ResponseNormalization { size: 5, alpha, beta: 0.75, k })
}

/// BVLC CaffeNet: inputs 3 × 227 × 227, 60,965,224 parameters, pooling before normalisation (`jia2014`).
pub fn caffenet() -> Architecture {
    Stack::default()
        .convolve("conv1", 96, window(11, 4, 0), 1)
        .max("pool1", 3, 2)
        .then("norm1", lrn(1e-4, 1.0))
        .convolve("conv2", 256, window(5, 1, 2), 2)
        .max("pool2", 3, 2)
        .then("norm2", lrn(1e-4, 1.0))
        .convolve("conv3", 384, window(3, 1, 1), 1)
        .convolve("conv4", 384, window(3, 1, 1), 2)
        .convolve("conv5", 256, window(3, 1, 1), 2)
        .max("pool5", 3, 2)
        .connect(4096, 1000)
        .build(227)
}

/// VGG CNN S: inputs 3 × 224 × 224, normalisation before pooling (`chatfield2014`).
pub fn vgg_cnn_s() -> Architecture {
    Stack::default()
        .convolve("conv1", 96, window(7, 2, 0), 1)
        .then("norm1", lrn(5e-4, 2.0))
        .max("pool1", 3, 3)
        .convolve("conv2", 256, window(5, 1, 0), 1)
        .max("pool2", 2, 2)
        .convolve("conv3", 512, window(3, 1, 1), 1)
        .convolve("conv4", 512, window(3, 1, 1), 1)
        .convolve("conv5", 512, window(3, 1, 1), 1)
        .max("pool5", 3, 3)
        .connect(4096, 1000)
        .build(224)
}

/// BVLC GoogLeNet without its two auxiliary heads: inputs 3 × 224 × 224, 6,998,552 parameters (`szegedy2015`).
pub fn googlenet() -> Architecture {
    Stack::default()
        .convolve("conv1/7x7_s2", 64, window(7, 2, 3), 1)
        .max("pool1/3x3_s2", 3, 2)
        .then("pool1/norm1", lrn(1e-4, 1.0))
        .convolve("conv2/3x3_reduce", 64, window(1, 1, 0), 1)
        .convolve("conv2/3x3", 192, window(3, 1, 1), 1)
        .then("conv2/norm2", lrn(1e-4, 1.0))
        .max("pool2/3x3_s2", 3, 2)
        .inception("3a", [64, 96, 128, 16, 32, 32])
        .inception("3b", [128, 128, 192, 32, 96, 64])
        .max("pool3/3x3_s2", 3, 2)
        .inception("4a", [192, 96, 208, 16, 48, 64])
        .inception("4b", [160, 112, 224, 24, 64, 64])
        .inception("4c", [128, 128, 256, 24, 64, 64])
        .inception("4d", [112, 144, 288, 32, 64, 64])
        .inception("4e", [256, 160, 320, 32, 128, 128])
        .max("pool4/3x3_s2", 3, 2)
        .inception("5a", [256, 160, 320, 32, 128, 128])
        .inception("5b", [384, 192, 384, 48, 128, 128])
        .then("pool5/7x7_s1", LayerKind::Pooling { pooling: Pooling::Average, window: window(7, 1, 0) })
        .then("pool5/drop_7x7_s1", LayerKind::Dropout { ratio: 0.4 })
        .then("loss3/classifier", LayerKind::InnerProduct { n_outputs: 1000 })
        .then("prob", LayerKind::Softmax)
        .build(224)
}

/// A small network for tests and the embedded data, with all types of layers of the three others but softmax: inputs 3 × 96 × 96.
pub fn small(n_classes: usize) -> Architecture {
    Stack::default()
        .convolve("conv1", 16, window(5, 2, 2), 1)
        .max("pool1", 3, 2)
        .then("norm1", lrn(1e-4, 1.0))
        .convolve("conv2", 32, window(3, 1, 1), 2)
        .max("pool2", 3, 2)
        .inception("3", [16, 16, 32, 8, 16, 16])
        .max("pool3", 3, 2)
        .then("pool4", LayerKind::Pooling { pooling: Pooling::Average, window: window(6, 1, 0) })
        .then("drop4", LayerKind::Dropout { ratio: 0.2 })
        .then("fc5", LayerKind::InnerProduct { n_outputs: n_classes })
        .build(96)
}

/// The network with this name: `caffenet`, `vgg-cnn-s` or `googlenet`.
pub fn by_name(name: &str) -> Option<Architecture> {
    match name {
        "caffenet" => Some(caffenet()),
        "vgg-cnn-s" => Some(vgg_cnn_s()),
        "googlenet" => Some(googlenet()),
        _ => None,
    }
}
