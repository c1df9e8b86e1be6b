"""The feature store: what an extractor version computed about an instance."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class FeatureVector(models.Model):
    """Numbers of one extractor version; their names are the extractor's."""

    instance = models.ForeignKey("annotation.Instance", models.CASCADE, related_name="features")
    extractor = models.CharField(max_length=60)
    values = ArrayField(models.FloatField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "extractor"], name="feature_vector_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.extractor} of {self.instance_id}"


class Embedding(models.Model):
    """The completions of an instance as unit vectors of one encoder, in canonical order."""

    instance = models.ForeignKey("annotation.Instance", models.CASCADE, related_name="embeddings")
    # Name and version of the encoder and of how its text was put together.
    extractor = models.CharField(max_length=120)
    # (completions, d) little-endian float16, row after row.
    vectors = models.BinaryField()
    dimensions = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "extractor"], name="embedding_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.extractor} of {self.instance_id}"
