"""The command line `sluice`: local AWS, deploying to it, and running and watching workflows."""
