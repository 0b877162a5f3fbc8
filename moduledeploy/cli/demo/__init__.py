"""The main job live: an embedded cluster with simulated bases, the controller as a process of its own, real manifests."""
