//! Gradients of scores by pixels, for comparison with relevance.

use burn::tensor::{Tensor, TensorData};
use ndarray::{Array4, ArrayView4, Axis, s};

use crate::CnnError;
use crate::network::{Network, Tensors, to_array};

/// Square of an occlusion, and the value that covers it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Occlusion {
    /// Side of the square.
    pub side: usize,
    /// Distance between squares, at most `side`.
    pub stride: usize,
    /// What takes the place of the pixels; 0 is the mean.
    pub value: f32,
}

impl Network {
    /// Gradient of one score an image by its pixels: ∂f/∂x, the shape being that of the images (`simonyan2014`).
    ///
    /// # Errors
    /// [`CnnError::Shape`]; [`CnnError::Class`].
    pub fn gradient(&self, images: ArrayView4<'_, f32>, classes: &[usize]) -> Result<Array4<f32>, CnnError> {
        let weights = self.check(images, classes)?;
        let constant =
            |tensors: Tensors| Tensors { weight: tensors.weight.autodiff(), bias: tensors.bias.map(Tensor::autodiff) };
        let network = self.map(constant);
        let x = self.upload(images)?.autodiff().require_grad();
        let scores = network.forward(x.clone(), self.architecture().score_blob());
        let mut gradients = (scores * weights.autodiff()).sum().backward();
        let gradient = x.grad_remove(&mut gradients);
        Ok(gradient.map_or_else(|| Array4::zeros(images.raw_dim()), to_array))
    }

    /// Gradient times input: x ⊙ ∂f/∂x.
    ///
    /// # Errors
    /// See [`Network::gradient`].
    pub fn gradient_times_input(
        &self,
        images: ArrayView4<'_, f32>,
        classes: &[usize],
    ) -> Result<Array4<f32>, CnnError> {
        Ok(self.gradient(images, classes)? * images)
    }

    /// Integrated gradients along the line from `baseline` (1 image, or one an image), by the midpoint rule (`sundararajan2017`).
    ///
    /// ```text
    /// (x − x₀) ⊙ 1/S · Σ_s ∂f/∂x (x₀ + (s + ½)/S · (x − x₀))
    /// ```
    /// # Errors
    /// See [`Network::gradient`]; [`CnnError::Setting`] for 0 steps.
    pub fn integrated_gradients(
        &self,
        images: ArrayView4<'_, f32>,
        baseline: ArrayView4<'_, f32>,
        classes: &[usize],
        n_steps: usize,
    ) -> Result<Array4<f32>, CnnError> {
        if n_steps == 0 {
            return Err(CnnError::Setting { name: "steps".to_owned(), found: "0".to_owned(), expected: "at least 1" });
        }
        let Some(baseline) = baseline.broadcast(images.raw_dim()) else {
            let (found, expected) = (baseline.shape().to_vec(), images.shape().to_vec());
            return Err(CnnError::Shape { what: "baseline", found, expected });
        };
        let way = &images - &baseline;
        let mut sum = Array4::zeros(images.raw_dim());
        for step in 0..n_steps {
            let share = (step as f32 + 0.5) / n_steps as f32;
            sum += &self.gradient((&baseline + &(&way * share)).view(), classes)?;
        }
        Ok(sum * way / n_steps as f32)
    }

    /// How much a score falls when a square is covered, spread evenly over the square's pixels: `(images, height, width)` as `(images, 1, …)`.
    ///
    /// # Errors
    /// See [`Network::gradient`]; [`CnnError::Setting`] for a side or stride out of range.
    pub fn occlusion(
        &self,
        images: ArrayView4<'_, f32>,
        classes: &[usize],
        occlusion: Occlusion,
    ) -> Result<Array4<f32>, CnnError> {
        self.check(images, classes)?;
        let (n_images, _, height, width) = images.dim();
        let Occlusion { side, stride, value } = occlusion;
        if side == 0 || stride == 0 || stride > side || side > height.min(width) {
            let found = format!("side {side}, stride {stride}");
            let expected = "1 <= stride <= side <= the images' sides";
            return Err(CnnError::Setting { name: "occlusion".to_owned(), found, expected });
        }
        let scores = self.scores(images)?;
        let mut effect = Array4::zeros((n_images, 1, height, width));
        let starts = |length: usize| (0..length - side).step_by(stride).chain([length - side]).collect::<Vec<_>>();
        for top in starts(height) {
            for left in starts(width) {
                let square = s![.., .., top..top + side, left..left + side];
                let mut covered = images.to_owned();
                covered.slice_mut(square).fill(value);
                let falls = &scores - &self.scores(covered.view())?;
                for (image, &class) in classes.iter().enumerate() {
                    let share = falls[[image, class]] / (side * side) as f32;
                    effect
                        .index_axis_mut(Axis(0), image)
                        .slice_mut(s![.., top..top + side, left..left + side])
                        .map_inplace(|value| *value += share);
                }
            }
        }
        Ok(effect)
    }

    /// 1 at each image's class.
    fn check(&self, images: ArrayView4<'_, f32>, classes: &[usize]) -> Result<Tensor<4>, CnnError> {
        let (n_images, n_classes) = (images.dim().0, self.architecture().n_classes());
        if classes.len() != n_images {
            let (found, expected) = (vec![classes.len()], vec![n_images]);
            return Err(CnnError::Shape { what: "classes to explain", found, expected });
        }
        let mut weights = vec![0.0_f32; n_images * n_classes];
        for (image, &class) in classes.iter().enumerate() {
            if class >= n_classes {
                return Err(CnnError::Class { found: class, n_classes });
            }
            weights[image * n_classes + class] = 1.0;
        }
        let [channels, height, width] = self.architecture().shape(self.architecture().score_blob());
        Ok(Tensor::from_data(TensorData::new(weights, [n_images, channels, height, width]), self.device()))
    }
}
