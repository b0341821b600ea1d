"""cts: model crowded specimens, image them as an electron microscope does, reconstruct tomograms."""
