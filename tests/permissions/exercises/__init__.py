"""Small runs that use the permissions of template.yaml, each as early as it can."""
