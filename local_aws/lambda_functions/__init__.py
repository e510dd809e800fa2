"""Lambda functions: Python workers that report errors as Lambda does, in the place of ministack's."""
