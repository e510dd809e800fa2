"""Lambda functions: Python workers that report errors as Lambda does, instead of ministack's."""
