"""Condition, key condition and update expressions: parsed once for each text, then evaluated for many items.

Only valid, ordinary expressions are read here. Everything else raises NotPlainError, and ministack, which knows every
rule and every error message, serves the request.
"""
