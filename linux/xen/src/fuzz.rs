//! Entry points for fuzz targets.
