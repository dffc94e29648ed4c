"""A cluster on Google Cloud: managed instance groups of VMs, from the specification that every provider takes."""
