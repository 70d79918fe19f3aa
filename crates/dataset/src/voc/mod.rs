//! PASCAL VOC devkits (`everingham2010`): lists of image sets and classes, and annotations in XML.

pub(crate) mod annotation;
pub(crate) mod devkit;
pub(crate) mod error;
pub(crate) mod image_list;
