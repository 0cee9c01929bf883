"""Declarative users, push tokens and sends for Leanplum: plan, apply, and proof that it happened once."""
