"""Rendering of untrusted text: Markdown, code and LaTeX become sanitised HTML."""

from .markdown import render_markdown

__all__ = ["render_markdown"]
