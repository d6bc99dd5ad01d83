//! Restante: store-and-forward messaging.
