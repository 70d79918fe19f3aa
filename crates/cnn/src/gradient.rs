//! Explanations to compare relevance with: gradients of the scores, and occlusion.

use burn::tensor::{Tensor, TensorData};
use ndarray::{Array4, ArrayView4, Axis, s};

use crate::error::CnnError;
use crate::network::{Network, Tensors, to_array};

/// Settings of [`Network::occlusion`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Occlusion {
    /// Side of the occluded square in pixels.
    pub side: usize,
    /// Distance between the positions of the square, at most `side`.
    pub stride: usize,
    /// Value of the occluded pixels; 0 is the mean.
    pub value: f32,
}

impl Network {
    /// Gradient ∂f/∂x of one score per image with respect to its pixels (`simonyan2014`). The result has the shape of `images`.
    ///
    /// # Errors
    /// [`CnnError::Shape`] if the images do not fit the network or there is not one class per image; [`CnnError::Class`] for a class
    /// that the network does not have.
    pub fn gradient(&self, images: ArrayView4<'_, f32>, classes: &[usize]) -> Result<Array4<f32>, CnnError> {
        let weights = self.class_weights(images, classes)?;
        // The weights take part in the computation, but no gradients are computed for them.
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

    /// Integrated gradients along the line from a baseline to the image, computed by the midpoint rule (`sundararajan2017`).
    ///
    /// ```text
    /// (x − x₀) ⊙ 1/S · Σ_{s=0..S−1} ∂f/∂x (x₀ + (s + ½)/S · (x − x₀))
    /// ```
    /// `baseline`: x₀, one image for all or one per image. `n_steps`: S.
    ///
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
        let difference = &images - &baseline;
        let mut sum = Array4::zeros(images.raw_dim());
        for step in 0..n_steps {
            let share = (step as f32 + 0.5) / n_steps as f32;
            sum += &self.gradient((&baseline + &(&difference * share)).view(), classes)?;
        }
        Ok(sum * difference / n_steps as f32)
    }

    /// Occlusion: how much a score falls when a square of the image is replaced by a constant. The fall is divided equally among the
    /// pixels of the square and added up over all positions of the square. Returns `(images, 1, height, width)`.
    ///
    /// # Errors
    /// See [`Network::gradient`]; [`CnnError::Setting`] for a side or stride outside its range.
    pub fn occlusion(
        &self,
        images: ArrayView4<'_, f32>,
        classes: &[usize],
        occlusion: Occlusion,
    ) -> Result<Array4<f32>, CnnError> {
        self.class_weights(images, classes)?;
        let (n_images, _, height, width) = images.dim();
        let Occlusion { side, stride, value } = occlusion;
        if side == 0 || stride == 0 || stride > side || side > height.min(width) {
            let found = format!("side {side}, stride {stride}");
            let expected = "1 <= stride <= side <= the images' sides";
            return Err(CnnError::Setting { name: "occlusion".to_owned(), found, expected });
        }
        let scores = self.scores(images)?;
        let mut effect = Array4::zeros((n_images, 1, height, width));
        // The last square of a row or column ends at the edge of the image.
        let starts = |length: usize| (0..length - side).step_by(stride).chain([length - side]).collect::<Vec<_>>();
        for top in starts(height) {
            for left in starts(width) {
                let square = s![.., .., top..top + side, left..left + side];
                let mut occluded = images.to_owned();
                occluded.slice_mut(square).fill(value);
                let falls = &scores - &self.scores(occluded.view())?;
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

    /// Checks the classes. Returns weights of the scores: 1 for the class of each image, 0 for all others.
    fn class_weights(&self, images: ArrayView4<'_, f32>, classes: &[usize]) -> Result<Tensor<4>, CnnError> {
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
