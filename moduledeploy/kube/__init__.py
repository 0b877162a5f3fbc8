"""A general library of informers, workqueue, writer, events and lease; it knows no modules."""
