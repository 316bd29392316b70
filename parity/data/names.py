"""The names of data sets, for texts of help: what reads the data sets is slow to import."""

NAMES = ("cifar10", "cifar100", "tiny-imagenet", "generated")  # of `parity.data.registry.load`

CHOICES = f"{', '.join(NAMES)} or a path"
