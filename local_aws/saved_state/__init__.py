"""What `--data DIR` keeps between starts: snapshots of the whole account, each written beside the last one."""
